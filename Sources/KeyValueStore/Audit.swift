import ClusterModel
import WireProtocol

/// A pass over all entries for one other shard's sake, a part at a time.
struct Audit {
  enum Purpose {
    /// To tell it what this shard holds together with it.
    case sum
    /// To compare that with what it told.
    case compare(sums: [UInt64])
    /// To send it everything in these stretches.
    case send(stretches: Set<Int>)
  }

  /// Stretches of the hash space: one that differs costs a 1024th of what is held together.
  static let stretchCount = 1024

  let other: RingMember
  let epoch: UInt64
  let cutoff: UInt64
  let purpose: Purpose
  var cursor = 0
  var sums: [UInt64] = []

  init(_ purpose: Purpose, for other: RingMember, epoch: UInt64, cutoff: UInt64) {
    self.purpose = purpose
    self.other = other
    self.epoch = epoch
    self.cutoff = cutoff
    if case .send = purpose { return }
    sums = Array(repeating: 0, count: Self.stretchCount)
  }

  static func stretch(of hash: UInt64) -> Int { Int(hash >> 54) }

  /// Whatever the order, the same records give the same sums.
  ///
  /// - Parameter sum: `StableHash` of the record.
  mutating func add(_ sum: UInt64, under hash: UInt64) {
    sums[Self.stretch(of: hash)] &+= sum ^ (hash &* 0x9E37_79B9_7F4A_7C15)
  }
}

extension RangeDigest {
  init(_ audit: Audit) {
    self.init()
    epoch = audit.epoch
    cutoff = audit.cutoff
    var bytes: [UInt8] = []
    bytes.reserveCapacity(audit.sums.count * 8)
    for sum in audit.sums { withUnsafeBytes(of: sum.littleEndian) { bytes += $0 } }
    sums = bytes[...]
  }

  /// Nil where it is not of as many stretches as ours.
  var numbers: [UInt64]? {
    guard sums.count == Audit.stretchCount * 8 else { return nil }
    return stride(from: sums.startIndex, to: sums.endIndex, by: 8).map { start in
      sums[start..<start + 8].reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }
  }
}

extension RangeRepair {
  init(_ stretches: [Int], at epoch: UInt64) {
    self.init()
    self.epoch = epoch
    self.stretches = stretches.flatMap { [UInt8(truncatingIfNeeded: $0), UInt8($0 >> 8)] }[...]
  }

  /// Those that there are.
  var numbers: Set<Int> {
    let bytes = Array(stretches)
    return Set(
      stride(from: 0, to: bytes.count - bytes.count % 2, by: 2)
        .map { Int(bytes[$0]) | Int(bytes[$0 + 1]) << 8 }.filter { $0 < Audit.stretchCount })
  }
}
