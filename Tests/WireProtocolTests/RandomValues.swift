import ClusterModel
import Foundation
import WireProtocol

/// SplitMix64: one seed, one sequence, in every process.
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed >> 31)
  }
}

/// Values of fields. Defaults and the ends of ranges come often, because that is where codecs err.
extension SeededGenerator {
  mutating func chance(_ percent: Int) -> Bool { Int(next() % 100) < percent }

  mutating func number() -> UInt64 {
    switch next() % 6 {
    case 0: 0
    case 1: next() % 128
    case 2: 127 + next() % 3
    case 3: .max - next() % 2
    default: next() >> (next() % 64)
    }
  }

  mutating func small() -> UInt32 { UInt32(truncatingIfNeeded: number()) }
  mutating func tiny() -> UInt8 { UInt8(truncatingIfNeeded: number()) }
  mutating func signed() -> Int64 { Int64(bitPattern: number()) }

  mutating func bytes() -> Bytes {
    let count = chance(10) ? Int(next() % 400) : Int(next() % 12)
    return Bytes((0..<count).map { _ in UInt8(truncatingIfNeeded: next()) })
  }

  mutating func text() -> String {
    let letters = ["a", "Z", "0", "/", "é", "漢", "🚀", "\u{0}", "\"", " "]
    return (0..<Int(next() % 9)).map { _ in letters[Int(next() % 10)] }.joined()
  }

  mutating func key() -> Key { Key(trusted: bytes()) }
  mutating func version() -> Version { Version(generation: number(), stamp: number()) }
  mutating func id() -> InvocationID { InvocationID(high: number(), low: number()) }

  mutating func pick<Element>(_ choices: [Element]) -> Element {
    choices[Int(next() % UInt64(choices.count))]
  }

  mutating func level() -> WriteLevel? { chance(30) ? nil : pick(WriteLevel.allCases) }

  mutating func several<Element>(_ make: (inout SeededGenerator) -> Element) -> [Element] {
    (0..<Int(next() % 4)).map { _ in make(&self) }
  }

  mutating func failure() -> Failure {
    var failure = Failure(pick(ErrorCode.allCases), text(), hint: text())
    failure.function = text()
    failure.version = text()
    failure.node = text()
    failure.detail = text()
    failure.requestID = chance(50) ? id() : nil
    failure.retryAfter = .milliseconds(Int64(small()))
    return failure
  }

  mutating func maybeFailure() -> Failure? { chance(30) ? failure() : nil }
}

extension Key {
  var data: Data { Data(bytes) }
}
