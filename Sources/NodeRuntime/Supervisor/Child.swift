import ClusterModel
import Platform
import ZeroMQ

/// A child process with the reading ends of its output, and their places in the poller.
final class Child {
  /// A stream cut into lines as it comes.
  struct Stream: ~Copyable {
    /// A longer line is given in pieces.
    static let lineBytesMax = 8 << 10
    let descriptor: FileDescriptor
    let slot: Poller.Slot
    var isOpen = true
    private var rest: [UInt8] = []

    init(_ descriptor: consuming FileDescriptor, watchedBy poller: inout Poller) {
      slot = poller.watch(descriptor: descriptor.raw)
      self.descriptor = descriptor
    }

    /// Reads at most `bytesMax`, so that a flood of output takes turns with everything else.
    ///
    /// - Returns: the whole lines that came, at the end of the stream the last piece, too.
    mutating func readLines(
      bytesMax: Int = 64 << 10, into buffer: UnsafeMutableRawBufferPointer
    ) -> [String] {
      var lines: [String] = []
      var taken = 0
      while isOpen, taken < bytesMax {
        switch try? descriptor.read(into: buffer) {
        case .bytes(let count):
          taken += count
          cut(UnsafeRawBufferPointer(rebasing: buffer[..<count]), into: &lines)
        case .wouldBlock: return lines
        case .endOfFile, nil:
          isOpen = false
          if !rest.isEmpty { lines.append(String(decoding: rest, as: UTF8.self)) }
          rest = []
        }
      }
      return lines
    }

    private mutating func cut(_ bytes: UnsafeRawBufferPointer, into lines: inout [String]) {
      for byte in bytes {
        if byte != UInt8(ascii: "\n") { rest.append(byte) }
        if byte == UInt8(ascii: "\n") || rest.count >= Self.lineBytesMax {
          lines.append(String(decoding: rest, as: UTF8.self))
          rest.removeAll(keepingCapacity: true)
        }
      }
    }
  }

  var process: ChildProcess
  let endSlot: Poller.Slot
  var output: Stream
  var errors: Stream

  /// Starts `command` with pipes for its standard output and error.
  init(_ command: ChildProcess.Command, watchedBy poller: inout Poller) throws {
    var command = command
    let output = try Pipe()
    let errors = try Pipe()
    command.output = output.rawWriter
    command.errors = errors.rawWriter
    process = try ChildProcess(command)
    let outputReader = output.reader()
    let errorReader = errors.reader()
    try outputReader.setNonBlocking()
    try errorReader.setNonBlocking()
    self.output = Stream(outputReader, watchedBy: &poller)
    self.errors = Stream(errorReader, watchedBy: &poller)
    endSlot = poller.watch(descriptor: process.descriptor)
  }

  /// Before the child is let go: its places in the poller are free again.
  func stopWatching(in poller: inout Poller) {
    poller.stopWatching(endSlot)
    for slot in [output.slot, errors.slot] where !closedSlots.contains(slot) {
      poller.stopWatching(slot)
    }
  }

  /// At the end of a stream, so that a closed pipe does not wake the loop for ever.
  func stopWatchingClosedStreams(in poller: inout Poller) {
    if !output.isOpen, closedSlots.insert(output.slot).inserted { poller.stopWatching(output.slot) }
    if !errors.isOpen, closedSlots.insert(errors.slot).inserted { poller.stopWatching(errors.slot) }
  }

  private var closedSlots: Set<Poller.Slot> = []
}
