import Lattices
import Testing

@Suite struct CausalValueTests {
  private func value(_ clock: KeyValuePairs<String, UInt32>, _ text: String) -> CausalValue {
    CausalValue([.init(clock: VectorClock(clock), values: GrowSet([ArraySlice(text.utf8)]))])
  }

  private func texts(_ value: CausalValue) -> [String] {
    value.values.elements.map { String(decoding: $0, as: UTF8.self) }
  }

  @Test func writesThatHaveNotSeenEachOtherBothStay() {
    let both = value(["ann": 1], "a").merging(value(["bob": 1], "b"))
    #expect(texts(both) == ["a", "b"])
  }

  @Test func aWriteThatHasSeenAllReplacesAll() throws {
    let both = value(["ann": 1], "a").merging(value(["bob": 1], "b"))
    let clock = try #require(both.clock.incremented(by: "ann"))
    let resolved = CausalValue([.init(clock: clock, values: GrowSet([[99]]))])
    #expect(both.merging(resolved) == resolved)
  }

  /// Anna keeps one clock for all values and then forgets that `c` replaced `a`.
  @Test func aVersionThatWasReplacedGoesEvenWhenItMetAThirdOneFirst() {
    let (a, b, c) = (value(["x": 1], "a"), value(["y": 1], "b"), value(["x": 2], "c"))
    #expect(texts(a.merging(b).merging(c)) == ["b", "c"])
    #expect(texts(a.merging(b.merging(c))) == ["b", "c"])
  }

  @Test func oneClockWithTwoValuesKeepsBoth() {
    let both = value(["ann": 1], "a").merging(value(["ann": 1], "b"))
    #expect(both.versions.count == 1)
    #expect(texts(both) == ["a", "b"])
  }

  /// As the original's client library encodes it, maps and all.
  @Test func oneVersionHasTheBytesOfTheOriginalMessages() {
    let single = value(["ann": 3], "hi")
    let map: [UInt8] = [0x0A, 7, 0x0A, 3, 0x61, 0x6E, 0x6E, 0x10, 3]
    #expect(single.serialized(as: .singleKey) == map + [0x12, 2, 0x68, 0x69])
    let multi = CausalValue([
      .init(
        clock: VectorClock(["ann": 3]),
        dependencies: [.init(key: "k", clock: VectorClock(["ann": 1]))],
        values: GrowSet([[0x68]]))
    ])
    let dependency: [UInt8] = [
      0x12, 12, 0x0A, 1, 0x6B, 0x12, 7, 0x0A, 3, 0x61, 0x6E, 0x6E, 0x10, 1,
    ]
    #expect(multi.serialized(as: .multiKey) == map + dependency + [0x1A, 1, 0x68])
  }

  @Test func theFirstFieldsOfSeveralVersionsAreTheirJoin() throws {
    let both = value(["ann": 1], "a").merging(value(["bob": 2], "b"))
    var bytes = both.serialized(as: .singleKey)
    let join: [UInt8] = [
      0x0A, 7, 0x0A, 3, 0x61, 0x6E, 0x6E, 0x10, 1, 0x0A, 7, 0x0A, 3, 0x62, 0x6F, 0x62, 0x10, 2,
      0x12, 1, 0x61, 0x12, 1, 0x62,
    ]
    #expect(Array(bytes.prefix(join.count)) == join)
    // What a client of the original reads and writes back supersedes both.
    bytes.removeSubrange(join.count...)
    let readBack = try CausalValue(serialized: bytes[...], as: .singleKey)
    #expect(both.merging(readBack) == readBack)
    #expect(readBack.versions.count == 1)
  }

  @Test(arguments: seeds) func causalValuesSurviveARoundTrip(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    for _ in 0..<500 {
      for form in [CausalValue.Form.singleKey, .multiKey] {
        let value = sampleCausal(&random, form)
        let bytes = value.serialized(as: form)
        #expect(try CausalValue(serialized: bytes[...], as: form) == value, "seed \(seed)")
      }
    }
  }

  @Test func moreVersionsThanTheLimitAreRefused() {
    var value = CausalValue()
    for writer in 0...CausalValue.versionsMax {
      let clock = VectorClock(["writer\(writer)": 1])
      value.merge(CausalValue([.init(clock: clock, values: GrowSet([[1]]))]))
    }
    #expect(!value.isWithinLimits)
    let bytes = value.serialized(as: .singleKey)
    #expect {
      try CausalValue(serialized: bytes[...], as: .singleKey)
    } throws: { ($0 as? LatticeError)?.code == .tooLarge }
  }

  @Test(arguments: [
    // A writer that is not UTF-8.
    ([0x0A, 5, 0x0A, 1, 0xFF, 0x10, 1], LatticeError.Code.text),
    // A version of the first value, where there is none.
    ([0xA2, 0x06, 3, 0x1A, 1, 0], .reference),
    // A version that ends inside its list of values.
    ([0x12, 1, 7, 0xA2, 0x06, 3, 0x1A, 1, 0x80], .truncated),
  ])
  func malformedVersionsAreNamed(bytes: [UInt8], code: LatticeError.Code) {
    #expect { try CausalValue(serialized: bytes[...], as: .singleKey) } throws: {
      ($0 as? LatticeError)?.code == code
    }
  }

  @Test func aClockCountsToItsEndAndNoFurther() {
    #expect(VectorClock(["ann": .max]).incremented(by: "ann") == nil)
    #expect(VectorClock(["ann": 4]).incremented(by: "ann")?["ann"] == 5)
  }

  @Test(arguments: seeds) func theOrderOfClocksIsThatOfTheirCounts(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    let writers = ["a", "b", "c"]
    for _ in 0..<2000 {
      let (left, right) = (sampleClock(&random), sampleClock(&random))
      let isBelow = writers.allSatisfy { left[$0] <= right[$0] }
      let isAbove = writers.allSatisfy { left[$0] >= right[$0] }
      let expected: VectorClock.Order =
        isBelow ? (isAbove ? .equal : .before) : (isAbove ? .after : .concurrent)
      #expect(left.order(to: right) == expected, "seed \(seed): \(left), \(right)")
    }
  }
}

@Suite struct PriorityTests {
  @Test func theLowestPriorityStays() throws {
    let low = try #require(Priority(priority: -1, value: [1]))
    let high = try #require(Priority(priority: 2, value: [9]))
    #expect(high.merging(low) == low)
    #expect(low.merging(high) == low)
  }

  @Test func equalPrioritiesAreDecidedByTheBytes() throws {
    let minus = try #require(Priority(priority: -0.0, value: [1]))
    let plus = try #require(Priority(priority: 0, value: [2]))
    #expect(minus.merging(plus) == plus)
    #expect(plus.merging(minus) == plus)
  }

  @Test func aPriorityHasTheBytesOfTheOriginalMessage() throws {
    let value = try #require(Priority(priority: 2, value: [0x71]))
    #expect(value.serialized() == [0x09, 0, 0, 0, 0, 0, 0, 0, 0x40, 0x12, 1, 0x71])
  }

  @Test func aPriorityThatIsNoNumberIsRefused() {
    let nan: [UInt8] = [0x09, 0, 0, 0, 0, 0, 0, 0xF8, 0x7F]
    #expect(Priority(priority: .nan, value: []) == nil)
    #expect { try Priority(serialized: nan[...]) } throws: {
      ($0 as? LatticeError)?.code == .notANumber
    }
  }

  @Test(arguments: seeds) func prioritiesSurviveARoundTrip(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    for _ in 0..<500 {
      let value = samplePriority(&random)
      #expect(try Priority(serialized: value.serialized()[...]) == value, "seed \(seed)")
    }
  }
}

func samplePriority(_ random: inout SeededGenerator) -> Priority {
  let priorities = [-1, -0.0, 0, 2, -.infinity, .infinity]
  let priority = priorities.randomElement(using: &random) ?? 0
  return Priority(priority: priority, value: random.bytes()) ?? Priority(priority: 0, value: [])!
}

func sampleClock(_ random: inout SeededGenerator) -> VectorClock {
  var clock = VectorClock()
  for writer in ["a", "b", "c"] where Bool.random(using: &random) {
    clock.merge(VectorClock([writer: .random(in: 0...2, using: &random)]))
  }
  return clock
}

func sampleCausal(_ random: inout SeededGenerator, _ form: CausalValue.Form) -> CausalValue {
  CausalValue(
    (0..<Int.random(in: 0...3, using: &random)).map { _ in
      let dependencies = ["k", "l", "k"].prefix(.random(in: 0...3, using: &random)).map {
        CausalValue.Dependency(key: $0, clock: sampleClock(&random))
      }
      let values = (0..<Int.random(in: 0...2, using: &random)).map { _ in random.bytes() }
      return CausalValue.Version(
        clock: sampleClock(&random), dependencies: form == .multiKey ? dependencies : [],
        values: GrowSet(values))
    })
}
