import ClusterModel
import Glibc

/// The lines of a file or of standard input, one in memory at a time.
struct LineReader: ~Copyable {
  /// Of one line: the largest value in base64, with room for the rest.
  static let lineBytesMax = Limits.valueBytesMax / 3 * 4 + (1 << 20)

  private let descriptor: Int32
  private var buffer: [UInt8] = []
  private var start = 0
  /// Bytes from `start` on that hold no newline.
  private var searched = 0
  private var isAtEnd = false

  /// - Throws: `fileNotFound`.
  init(_ path: String) throws {
    descriptor = path == "-" ? dup(0) : open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      throw Failure(.fileNotFound, "\(path) cannot be read: \(String(cString: strerror(errno)))")
    }
  }

  deinit { close(descriptor) }

  /// - Returns: the next line without its newline; nil at the end.
  mutating func next() throws -> [UInt8]? {
    while true {
      if let end = buffer[(start + searched)...].firstIndex(of: UInt8(ascii: "\n")) {
        defer {
          start = end + 1
          searched = 0
        }
        return Array(buffer[start..<end])
      }
      searched = buffer.count - start
      if isAtEnd {
        guard start < buffer.count else { return nil }
        defer { start = buffer.count }
        searched = 0
        return Array(buffer[start...])
      }
      guard searched <= Self.lineBytesMax else {
        throw Failure(.valueTooLarge, "a line is longer than a value can be")
      }
      try readMore()
    }
  }

  private mutating func readMore() throws {
    buffer.removeFirst(start)
    start = 0
    let chunk = 1 << 18
    let held = buffer.count
    buffer.append(contentsOf: repeatElement(0, count: chunk))
    while true {
      let count = buffer.withUnsafeMutableBytes {
        Glibc.read(descriptor, $0.baseAddress?.advanced(by: held), chunk)
      }
      if count < 0 && errno == EINTR { continue }
      buffer.removeLast(chunk - max(0, count))
      guard count >= 0 else {
        throw Failure(.fileNotFound, "reading failed: \(String(cString: strerror(errno)))")
      }
      isAtEnd = count == 0
      return
    }
  }
}
