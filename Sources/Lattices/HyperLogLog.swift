/// An estimate of how many different elements were added, in at most 12 KiB, within about 0.8 %.
///
/// 2^14 registers (Flajolet et al. 2007); the estimate is Ertl's improved one (2017), without tables
/// and without a switch between formulas. Elements come as 64-bit hashes of good quality; all writers
/// of one estimate must use one hash function.
public struct HyperLogLog: Lattice, Hashable {
  public struct Register: Hashable, Sendable {
    public let index: UInt16
    /// Leading zeros of the rest of the largest hash seen here, plus one: 1 to 51.
    public internal(set) var rank: UInt8
  }

  static let indexBits = 14
  static let registerCount = 1 << indexBits
  static let rankMax = UInt8(64 - indexBits + 1)

  /// Ascending by index; registers that were never hit are left out.
  public internal(set) var registers: [Register]

  public init() { registers = [] }

  /// - Returns: the delta to send, empty where the hash says nothing new.
  @discardableResult
  public mutating func insert(hash: UInt64) -> HyperLogLog {
    let index = UInt16(truncatingIfNeeded: hash >> UInt64(64 - Self.indexBits))
    let rest = hash << UInt64(Self.indexBits) | 1 << UInt64(Self.indexBits - 1)
    let register = Register(index: index, rank: UInt8(rest.leadingZeroBitCount + 1))
    let position = registers.partitioningIndex { $0.index >= index }
    if position < registers.count, registers[position].index == index {
      if registers[position].rank >= register.rank { return HyperLogLog() }
      registers[position] = register
    } else {
      registers.insert(register, at: position)
    }
    return HyperLogLog(registers: [register])
  }

  @discardableResult public mutating func merge(_ other: HyperLogLog) -> Bool {
    guard !other.registers.isEmpty else { return false }
    var merged: [Register] = []
    merged.reserveCapacity(min(Self.registerCount, registers.count + other.registers.count))
    var changed = false
    var next = 0
    for var register in registers {
      while next < other.registers.count, other.registers[next].index < register.index {
        merged.append(other.registers[next])
        changed = true
        next += 1
      }
      if next < other.registers.count, other.registers[next].index == register.index {
        if other.registers[next].rank > register.rank {
          register.rank = other.registers[next].rank
          changed = true
        }
        next += 1
      }
      merged.append(register)
    }
    changed = changed || next < other.registers.count
    guard changed else { return false }
    merged.append(contentsOf: other.registers[next...])
    registers = merged
    return true
  }

  /// About how many different hashes were inserted.
  public var estimate: UInt64 {
    let m = Double(Self.registerCount)
    var counts = [Double](repeating: 0, count: Int(Self.rankMax) + 1)
    for register in registers { counts[Int(register.rank)] += 1 }
    counts[0] = m - Double(registers.count)
    var sum = m * Self.tau(1 - counts[Int(Self.rankMax)] / m)
    for rank in stride(from: Int(Self.rankMax) - 1, through: 1, by: -1) {
      sum = 0.5 * (sum + counts[rank])
    }
    sum += m * Self.sigma(counts[0] / m)
    // 1 / (2 ln 2)
    let alpha = 0.721347520444481703680
    let estimate = (alpha * m * m / sum).rounded()
    return estimate < 0x1p63 ? UInt64(estimate) : 1 << 63
  }

  init(registers: [Register]) { self.registers = registers }

  private static func sigma(_ x: Double) -> Double {
    if x == 1 { return .infinity }
    var (x, y, z) = (x, 1.0, x)
    while true {
      x *= x
      let before = z
      z += x * y
      y += y
      if z == before { return z }
    }
  }

  private static func tau(_ x: Double) -> Double {
    if x == 0 || x == 1 { return 0 }
    var (x, y, z) = (x, 1.0, 1 - x)
    while true {
      x = x.squareRoot()
      let before = z
      y *= 0.5
      z -= (1 - x) * (1 - x) * y
      if z == before { return z / 3 }
    }
  }
}

/// Payload: `HyperLogLogValue { bytes sparse = 1; bytes dense = 2 }`. Up to `sparseMax` registers are
/// written as three bytes each (index << 6 | rank, little-endian, ascending), more as 2^14 ranks of six
/// bits, the first in the lowest bits of the first byte.
extension HyperLogLog {
  static let sparseMax = 3072
  static let denseByteCount = registerCount * 6 / 8

  public init(serialized bytes: ArraySlice<UInt8>) throws(LatticeError) {
    self.init()
    var reader = ProtobufReader(bytes, of: .hyperLogLog)
    while let field = try reader.nextField() {
      switch field {
      case .bytes(1, let sparse): merge(try Self.sparse(sparse, reader))
      case .bytes(2, let dense): merge(try Self.dense(dense, reader))
      default: continue
      }
    }
  }

  public func serialized() -> [UInt8] {
    guard !registers.isEmpty else { return [] }
    var bytes: [UInt8] = []
    if registers.count <= Self.sparseMax {
      var body: [UInt8] = []
      body.reserveCapacity(3 * registers.count)
      for register in registers {
        let word = UInt32(register.index) << 6 | UInt32(register.rank)
        for shift in [0, 8, 16] as [UInt32] {
          body.append(UInt8(truncatingIfNeeded: word >> shift))
        }
      }
      bytes.appendField(1, body[...])
    } else {
      var body = [UInt8](repeating: 0, count: Self.denseByteCount + 1)
      for register in registers {
        let bit = Int(register.index) * 6
        let word = UInt16(register.rank) << UInt16(bit % 8)
        body[bit / 8] |= UInt8(truncatingIfNeeded: word)
        body[bit / 8 + 1] |= UInt8(truncatingIfNeeded: word >> 8)
      }
      bytes.appendField(2, body.dropLast())
    }
    return bytes
  }

  private static func sparse(
    _ bytes: ArraySlice<UInt8>, _ reader: ProtobufReader
  ) throws(LatticeError) -> HyperLogLog {
    guard bytes.count % 3 == 0, bytes.count <= 3 * registerCount else {
      throw reader.failure(.outOfRange)
    }
    var read = HyperLogLog()
    var position = bytes.startIndex
    while position < bytes.endIndex {
      let word =
        UInt32(bytes[position]) | UInt32(bytes[position + 1]) << 8
        | UInt32(bytes[position + 2]) << 16
      let register = Register(index: UInt16(word >> 6 & 0x3FFF), rank: UInt8(word & 63))
      guard word >> 20 == 0, register.rank >= 1, register.rank <= rankMax,
        read.registers.last.map({ $0.index < register.index }) ?? true
      else { throw reader.failure(.outOfRange) }
      read.registers.append(register)
      position += 3
    }
    return read
  }

  private static func dense(
    _ bytes: ArraySlice<UInt8>, _ reader: ProtobufReader
  ) throws(LatticeError) -> HyperLogLog {
    guard bytes.count == denseByteCount else { throw reader.failure(.outOfRange) }
    var read = HyperLogLog()
    for index in 0..<registerCount {
      let byte = bytes.startIndex + index * 6 / 8
      let next = byte + 1 < bytes.endIndex ? UInt16(bytes[byte + 1]) : 0
      let rank = UInt8((UInt16(bytes[byte]) | next << 8) >> UInt16(index * 6 % 8) & 63)
      guard rank <= rankMax else { throw reader.failure(.outOfRange) }
      if rank > 0 { read.registers.append(Register(index: UInt16(index), rank: rank)) }
    }
    return read
  }
}

extension Array {
  /// The first position whose element satisfies `isAbove`, which must hold for all after it, too.
  func partitioningIndex(where isAbove: (Element) -> Bool) -> Int {
    var low = 0
    var high = count
    while low < high {
      let middle = low + (high - low) / 2
      if isAbove(self[middle]) { high = middle } else { low = middle + 1 }
    }
    return low
  }
}
