import Glibc
import Platform
import ZeroMQ

/// A part as a child of this process, and the lines it says.
final class PartChild {
  var process: ChildProcess
  private let output: FileDescriptor
  private let endSlot: Poller.Slot
  private var outputSlot: Poller.Slot?
  private var rest: [UInt8] = []
  /// A line that is longer is no `PartLine`, and is dropped.
  private static let lineBytesMax = 4096

  /// - Parameter command: its standard output is taken; the rest is the caller's choice.
  init(_ command: ChildProcess.Command, watchedBy poller: inout Poller) throws {
    var command = command
    let pipe = try Pipe()
    command.output = pipe.rawWriter
    process = try ChildProcess(command)
    output = pipe.reader()
    try output.setNonBlocking()
    outputSlot = poller.watch(descriptor: output.raw)
    endSlot = poller.watch(descriptor: process.descriptor)
  }

  func stopWatching(in poller: inout Poller) {
    poller.stopWatching(endSlot)
    if let outputSlot { poller.stopWatching(outputSlot) }
    outputSlot = nil
  }

  /// - Returns: what it said since.
  func lines(_ poller: inout Poller) -> [PartLine] {
    guard let slot = outputSlot else { return [] }
    var lines: [PartLine] = []
    var buffer = [UInt8](repeating: 0, count: 4096)
    while true {
      let outcome = buffer.withUnsafeMutableBytes { try? output.read(into: $0) }
      switch outcome {
      case .bytes(let count):
        for byte in buffer[..<count] { take(byte, into: &lines) }
      case .wouldBlock: return lines
      case .endOfFile, nil:
        poller.stopWatching(slot)
        outputSlot = nil
        return lines
      }
    }
  }

  private func take(_ byte: UInt8, into lines: inout [PartLine]) {
    guard byte == UInt8(ascii: "\n") else {
      if rest.count < Self.lineBytesMax { rest.append(byte) }
      return
    }
    if let line = PartLine(rawValue: String(decoding: rest, as: UTF8.self)) { lines.append(line) }
    rest = []
  }
}
