import ClusterModel
import Platform
import Supervision
import ZeroMQ

/// A child process with the reading ends of its output, and their places in the poller.
final class Child {
  var process: ChildProcess
  let endSlot: Poller.Slot
  var output: OutputStream
  var errors: OutputStream
  /// Of both streams together.
  var budget = LineBudget()
  /// Its memory in use, read again and again.
  let memory: ProcessMemory?

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
    self.output = OutputStream(outputReader, watchedBy: &poller)
    self.errors = OutputStream(errorReader, watchedBy: &poller)
    memory = ProcessMemory(of: process.id)
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
