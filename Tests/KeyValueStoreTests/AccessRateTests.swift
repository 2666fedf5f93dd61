import ClusterModel
import Testing
import WireProtocol

@testable import KeyValueStore

struct AccessRateTests {
  typealias Harness = ShardHarness

  private static let second: UInt64 = 1_000_000_000
  private static let window = AccessRates.window.wholeNanoseconds

  @Test func aSteadyRateIsToldAsItIs() {
    var rates = AccessRates()
    // 100 a second for 20 s.
    for number in 1...2000 { rates.note(7, at: UInt64(number) * Self.second / 100) }
    for age in [UInt64(0), 1, 2] {
      let count = rates.count(of: 7, at: 20 * Self.second + age * 1000)
      #expect((190...210).contains(count), "\(count)")
    }
    #expect(rates.count(of: 8, at: 20 * Self.second) == 0)
  }

  @Test func whatIsNotAskedForAnyMoreCoolsDown() {
    var rates = AccessRates()
    for _ in 0..<1000 { rates.note(7, at: Self.second) }
    #expect(rates.count(of: 7, at: Self.second) == 1000)
    #expect(rates.count(of: 7, at: Self.second + Self.window * 3 / 2) == 500)
    #expect(rates.count(of: 7, at: Self.second + Self.window * 2) == 0)
    // Somebody else's requests move the window on.
    rates.note(9, at: Self.second + Self.window * 5 / 4)
    #expect(rates.count(of: 7, at: Self.second + Self.window * 3 / 2) == 500)
    rates.note(9, at: Self.second + Self.window * 9 / 4)
    #expect(rates.count(of: 7, at: Self.second + Self.window * 9 / 4) == 0)
  }

  /// As a count-min sketch: too high where both counters are shared, never too low.
  @Test func aKeyAmongManyIsNeverCountedTooLow() {
    var random = SplitMix64(seed: 5)
    var rates = AccessRates()
    var counts: [UInt64: UInt64] = [:]
    for _ in 0..<200_000 {
      let rank = min(random.next() % 10_000, random.next() % 10_000)
      let hash = StableHash.of(Bytes(text: "key/\(rank)"))
      counts[hash, default: 0] += 1
      rates.note(hash, at: Self.second)
    }
    let tooLow = counts.filter { rates.count(of: $0.key, at: Self.second) < $0.value }
    #expect(tooLow.isEmpty)
    let close = counts.filter { rates.count(of: $0.key, at: Self.second) <= $0.value + 60 }
    #expect(close.count > counts.count * 9 / 10)
  }

  /// A key is noticed once a window, and whether it stands out is another question.
  @Test func aKeyStandsOutWhereItTakesAFifthOrThreeDeviations() {
    var rates = AccessRates()
    rates.noticeFrom = 100
    func hash(_ number: Int) -> UInt64 { StableHash.of(Bytes(text: "key/\(number)")) }
    // All alike: each is noticed, none stands out.
    for number in 0..<2000 { rates.note(hash(number % 10), at: Self.second) }
    #expect(Set(rates.takeNoticed()) == Set((0..<10).map(hash)))
    #expect(!(0..<10).contains { rates.isFarAboveMean(hash($0)) })
    rates.note(hash(0), at: Self.second)
    #expect(rates.takeNoticed().isEmpty)
    // Among a hundred keys of 20, one of 150: no fifth, but far from the mean.
    let later = Self.second + Self.window
    for number in 0..<2000 { rates.note(hash(number % 100), at: later) }
    for _ in 0..<130 { rates.note(hash(7), at: later) }
    #expect(rates.takeNoticed() == [hash(7)])
    #expect(rates.isFarAboveMean(hash(7)) && !rates.isFarAboveMean(hash(8)))
    // Of three keys, which cannot be far from their mean, one takes a half.
    let latest = later + Self.window
    for number in 0..<800 { rates.note(hash(number % 4 == 3 ? 0 : number % 4), at: latest) }
    #expect(rates.isFarAboveMean(hash(0)))
  }

  @Test func explainTellsHowOftenAKeyIsAskedFor() throws {
    var harness = Harness()
    _ = harness.put("hot", "v")
    _ = harness.put("cold", "v")
    for _ in 0..<99 { _ = harness.get("hot") }
    func explained(_ key: String) throws -> KeyExplanation {
      let answer = harness.answer(.explain, KeyTuple(key: Key(key)))
      return try KeyExplanation.decode(try #require(answer).payload)
    }
    #expect(try explained("hot").requests == 100)
    #expect(try explained("cold").requests == 1)
    #expect(try explained("cold").rateSeconds == 2)
    harness.advance(.seconds(20))
    #expect(try explained("hot").requests == 0)
  }
}
