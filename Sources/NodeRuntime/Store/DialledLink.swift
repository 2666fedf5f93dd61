import Connections
import WireProtocol
import ZeroMQ

/// A dialer that a loop watches, and what its full outbox did not take yet.
///
/// A class, because a dialer cannot be moved within an array.
final class DialledLink {
  var dialer: Dialer
  private let slots: (frames: Poller.Slot, connections: Poller.Slot)
  private var waiting: [[UInt8]] = []

  init(_ dialer: consuming Dialer, in poller: inout Poller) throws {
    slots = try dialer.watch(in: &poller)
    self.dialer = dialer
  }

  func stopWatching(in poller: inout Poller) {
    poller.stopWatching(slots.frames)
    poller.stopWatching(slots.connections)
  }

  /// Sends now or as soon as there is room, in order; whoever sends bounds how much that can be.
  func send(_ frame: [UInt8]) throws {
    guard waiting.isEmpty, try dialer.send(frame) == .sent else {
      return waiting.append(frame)
    }
  }

  /// The connection is gone. - Returns: the numbers of the frames that never left.
  func takeUnsent() -> [UInt64] {
    defer { waiting = [] }
    return waiting.compactMap { try? Frame($0[...]).header.number }
  }

  /// Once a turn of the loop.
  func tend(now: UInt64, poller: inout Poller) throws {
    try dialer.tend(now: now, poller: &poller)
    while let frame = waiting.first, try dialer.send(frame) == .sent { waiting.removeFirst() }
  }
}
