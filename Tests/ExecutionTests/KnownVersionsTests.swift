import ClusterModel
import Testing
import WireProtocol

@testable import Execution

/// What a call has read, and what it hands on.
@Suite struct KnownVersionsTests {
  @Test func theSessionsVersionsOutliveAnyNumberOfReads() {
    var known = KnownVersions(of: session(["mine": 9]))
    for number in 0..<1000 { _ = known.take(version(1), of: Key("k\(number)"), travels: true) }
    #expect(known.minimum(of: Key("mine")) == version(9))
    let older = known.take(version(8), of: Key("mine"), travels: true)
    #expect(!older)
  }

  @Test func theTokenHasTheLatestReadsOldestFirst() {
    var known = KnownVersions()
    for number in 0..<1000 {
      _ = known.take(version(1), of: Key("k\(number)"), travels: true)
    }
    let last = (1000 - Limits.sessionEntriesMax..<1000).map { Key("k\($0)") }
    #expect(known.token.entries.map(\.key) == last)
  }

  @Test func aKeyWhoseVersionGoesOnStaysAmongTheLatest() {
    var known = KnownVersions()
    for number in 0..<UInt64(1000) {
      _ = known.take(version(1), of: Key("k\(number)"), travels: true)
      if number % 16 == 0 { _ = known.take(version(number + 1), of: Key("hot"), travels: true) }
    }
    #expect(known.minimum(of: Key("hot")) == version(993))
    #expect(known.token.entries.contains { $0.key == Key("hot") && $0.version == version(993) })
  }

  @Test func whatMayBeLostIsReadNoOlderButNotHandedOn() {
    var known = KnownVersions()
    _ = known.take(version(3), of: Key("x"), travels: true)
    _ = known.take(version(5), of: Key("x"), travels: false)
    #expect(known.minimum(of: Key("x")) == version(5))
    #expect(known.token.entries.map(\.version) == [version(3)])
  }

  private func version(_ stamp: UInt64) -> Version { Version(generation: 0, stamp: stamp) }

  private func session(_ versions: [String: UInt64]) -> SessionToken {
    var token = SessionToken()
    token.entries = versions.map { .init(key: Key($0.key), version: version($0.value)) }
    return token
  }
}
