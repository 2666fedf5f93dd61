import Glibc
import Platform

/// Where RocksDB's journal stops making sense, and whether that is a write that the power's loss left
/// unfinished, or damage to what was acknowledged.
///
/// RocksDB takes a journal that ends early for unfinished, and any other wrong checksum for damage. But
/// a disk writes sectors in any order: of the commit under way its end may be there and a sector before
/// it not, which then reads as zeros. There is one commit at a time, each synced before the next begins.
/// So if the first record that is wrong has a sector of zeros, and no other record begins behind it, it
/// is the one that nobody was promised.
///
/// Layout, little-endian: blocks of 32 KiB, in them fragments of `u32 masked CRC-32C of the rest, u16
/// length, u8 type, payload`; a record is one fragment (type 1) or several (2, 3…, 4).
struct JournalTail {
  static let blockBytes = 32 << 10
  static let sectorBytes = 512
  private static let headerBytes = 7
  private static let whole: UInt8 = 1
  private static let first: UInt8 = 2
  private static let last: UInt8 = 4
  private static let types: ClosedRange<UInt8> = 1...4

  private let bytes: [UInt8]

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  /// Cuts an unfinished write off the newest journal of a database that does not open.
  ///
  /// - Returns: how many bytes that were; nil where there is nothing to cut, or it cannot be.
  static func cutUnfinished(inFolder path: String) -> Int? {
    let names = (try? Files.names(in: path)) ?? []
    let newest = names.compactMap { name in
      name.hasSuffix(".log") ? UInt64(name.dropLast(4)).map { (number: $0, name: name) } : nil
    }.max { $0.number < $1.number }
    guard let newest else { return nil }
    let file = "\(path)/\(newest.name)"
    guard let bytes = try? Files.contents(of: file, bytesMax: fileBytesMax),
      let end = JournalTail(bytes).unfinishedFrom,
      let descriptor = try? FileDescriptor(opening: file, flags: O_RDWR),
      ftruncate(descriptor.raw, off_t(end)) == 0, (try? descriptor.sync()) != nil
    else { return nil }
    return bytes.count - end
  }

  /// A journal is ended at 64 MiB, behind the commit that reaches it.
  private static let fileBytesMax = 1 << 30

  private enum Fragment {
    case sound(type: UInt8, next: Int)
    /// No header fits any more, or the payload goes beyond the file's end.
    case end
    case wrong
  }

  /// Where an unfinished last record begins, to be cut there; nil where nothing is wrong that RocksDB
  /// would mind, and where what is wrong is damage.
  var unfinishedFrom: Int? {
    var position = 0
    // Where the record began that goes on at `position`; nil between records.
    var begun: Int?
    while true {
      switch fragment(at: &position) {
      case .end: return nil
      case .sound(let type, let next):
        if type == Self.first { begun = position }
        if type == Self.whole || type == Self.last { begun = nil }
        position = next
      case .wrong:
        let record = begun ?? position
        let isLast = !beginsRecord(behind: position)
        return isLast && hasUnwrittenSector(from: record) ? record : nil
      }
    }
  }

  /// Moves over the rest of a block that holds no header.
  private func fragment(at position: inout Int) -> Fragment {
    let left = Self.blockBytes - position % Self.blockBytes
    if left < Self.headerBytes { position += left }
    guard position + Self.headerBytes <= bytes.count else { return .end }
    let length = Int(bytes[position + 4]) | Int(bytes[position + 5]) << 8
    let type = bytes[position + 6]
    let next = position + Self.headerBytes + length
    let blockEnd = (position / Self.blockBytes + 1) * Self.blockBytes
    guard Self.types.contains(type), next <= blockEnd else { return .wrong }
    guard next <= bytes.count else { return .end }
    let stored = (0..<4).reduce(UInt32(0)) { $0 | UInt32(bytes[position + $1]) << (8 * UInt32($1)) }
    guard stored == CRC32C.masked(bytes[(position + 6)..<next]) else { return .wrong }
    return .sound(type: type, next: next)
  }

  /// Whether a later commit is there: in the blocks that follow, and in this one if its length holds.
  private func beginsRecord(behind damage: Int) -> Bool {
    let length = damage + 6 < bytes.count ? Int(bytes[damage + 4]) | Int(bytes[damage + 5]) << 8 : 0
    if beginsRecord(inBlockAt: damage + Self.headerBytes + length) { return true }
    var block = (damage / Self.blockBytes + 1) * Self.blockBytes
    while block < bytes.count {
      if beginsRecord(inBlockAt: block) { return true }
      block += Self.blockBytes
    }
    return false
  }

  private func beginsRecord(inBlockAt start: Int) -> Bool {
    let block = start / Self.blockBytes
    var position = start
    while position / Self.blockBytes == block, position < bytes.count {
      guard case .sound(let type, let next) = fragment(at: &position) else { return false }
      if type == Self.whole || type == Self.first { return true }
      position = next
    }
    return false
  }

  /// A sector that was never written reads as zeros: from the record's beginning, where it shares one
  /// with what was synced before.
  private func hasUnwrittenSector(from start: Int) -> Bool {
    var position = start
    while position < bytes.count {
      let end = min((position / Self.sectorBytes + 1) * Self.sectorBytes, bytes.count)
      if bytes[position..<end].allSatisfy({ $0 == 0 }) { return true }
      position = end
    }
    return false
  }
}

/// The checksum of RocksDB's journal.
enum CRC32C {
  private static let table: [UInt32] = (0..<256).map { index in
    (0..<8).reduce(UInt32(index)) { value, _ in
      value & 1 == 1 ? value >> 1 ^ 0x82F6_3B78 : value >> 1
    }
  }

  static func of(_ bytes: ArraySlice<UInt8>) -> UInt32 {
    let table = table
    return ~bytes.withUnsafeBufferPointer { buffer in
      buffer.reduce(~UInt32(0)) { $0 >> 8 ^ table[Int(UInt8(truncatingIfNeeded: $0) ^ $1)] }
    }
  }

  /// As it is stored: a checksum of bytes that hold a checksum would be a weak one.
  static func masked(_ bytes: ArraySlice<UInt8>) -> UInt32 {
    let sum = of(bytes)
    return (sum >> 15 | sum << 17) &+ 0xA282_EAD8
  }
}
