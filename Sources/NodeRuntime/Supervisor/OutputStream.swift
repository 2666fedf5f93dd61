import Glibc
import Platform
import Supervision
import ZeroMQ

/// The reading end of a child's output, cut into lines as they come, within a budget.
struct OutputStream: ~Copyable {
  /// A longer line is given in pieces.
  static let lineBytesMax = 8 << 10
  /// Of lines beyond the budget, the last so many bytes are kept: a crash is explained there.
  static let lastBytesMax = LastWords.bytesMax
  /// Read at a time, so that a flood of output takes turns with everything else.
  static let turnBytesMax = 64 << 10
  /// A pipe holds 64 KiB, and is read so often to its end.
  static let turnsAtEnd = 3

  let descriptor: FileDescriptor
  let slot: Poller.Slot
  private(set) var isOpen = true
  private var rest: [UInt8] = []
  private var last: [UInt8] = []

  init(_ descriptor: consuming FileDescriptor, watchedBy poller: inout Poller) {
    slot = poller.watch(descriptor: descriptor.raw)
    self.descriptor = descriptor
  }

  /// - Returns: the whole lines that came and that the budget allows; at the end of the stream the
  ///   last piece, too.
  mutating func readLines(
    within budget: inout LineBudget, now: UInt64, into buffer: UnsafeMutableRawBufferPointer
  ) -> [String] {
    var lines: [String] = []
    var taken = 0
    while isOpen, taken < Self.turnBytesMax {
      switch try? descriptor.read(into: buffer) {
      case .bytes(let count):
        taken += count
        cut(UnsafeRawBufferPointer(rebasing: buffer[..<count]), &budget, now, into: &lines)
      case .wouldBlock: return lines
      case .endOfFile, nil:
        isOpen = false
        if !rest.isEmpty { lines.append(String(decoding: rest, as: UTF8.self)) }
        rest = []
      }
    }
    return lines
  }

  /// The end of what was dropped, for whoever looks why the process ended.
  mutating func takeLastDropped() -> [String] {
    defer { last = [] }
    return last.split(separator: UInt8(ascii: "\n")).map { String(decoding: $0, as: UTF8.self) }
  }

  private mutating func cut(
    _ chunk: UnsafeRawBufferPointer, _ budget: inout LineBudget, _ now: UInt64,
    into lines: inout [String]
  ) {
    var bytes = chunk
    while !bytes.isEmpty {
      let room = Self.lineBytesMax - rest.count
      let window = UnsafeRawBufferPointer(rebasing: bytes.prefix(room))
      let newline = Self.newline(in: window)
      rest.append(contentsOf: window.prefix(newline ?? window.count))
      guard newline != nil || window.count == room else { return }
      bytes = UnsafeRawBufferPointer(rebasing: bytes.dropFirst(newline.map { $0 + 1 } ?? room))
      if budget.take(now: now) {
        lines.append(String(decoding: rest, as: UTF8.self))
        rest.removeAll(keepingCapacity: true)
      } else {
        dropLine(&budget, now)
        return drop(bytes, &budget, now)
      }
    }
  }

  private mutating func dropLine(_ budget: inout LineBudget, _ now: UInt64) {
    budget.drop(1, now: now)
    rest.withUnsafeBytes { keep($0) }
    rest.removeAll(keepingCapacity: true)
    last.append(UInt8(ascii: "\n"))
  }

  /// Counts the lines of the rest of a chunk, at the cost of looking for their ends.
  private mutating func drop(
    _ bytes: UnsafeRawBufferPointer, _ budget: inout LineBudget, _ now: UInt64
  ) {
    var bytes = bytes
    let whole = bytes
    var count: UInt64 = 0
    while let end = Self.newline(in: bytes) {
      count += 1
      bytes = UnsafeRawBufferPointer(rebasing: bytes.dropFirst(end + 1))
    }
    if count > 0 { budget.drop(count, now: now) }
    keep(UnsafeRawBufferPointer(rebasing: whole.dropLast(bytes.count)))
    guard bytes.count >= Self.lineBytesMax else { return rest.append(contentsOf: bytes) }
    budget.drop(1, now: now)
    keep(bytes)
  }

  private mutating func keep(_ bytes: UnsafeRawBufferPointer) {
    last.append(contentsOf: bytes.suffix(Self.lastBytesMax))
    if last.count > 2 * Self.lastBytesMax { last.removeFirst(last.count - Self.lastBytesMax) }
  }

  private static func newline(in bytes: UnsafeRawBufferPointer) -> Int? {
    guard let start = bytes.baseAddress, let found = memchr(start, 0x0a, bytes.count) else {
      return nil
    }
    return UnsafeRawPointer(found) - start
  }
}
