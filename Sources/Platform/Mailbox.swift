/// A bounded queue from many threads to one that sleeps in a poller.
///
/// The descriptor is readable exactly while messages wait: a wake-up costs the first sender one
/// system call, and further messages cost none until the owner has drained. At the limit a message
/// is refused; the sender keeps it and decides.
package final class Mailbox<Message: Sendable>: Sendable {
  /// Messages.
  package let countMax: Int
  private let waiting = Locked<[Message]>([])
  private let event: EventFD

  package init(countMax: Int) throws(PlatformError) {
    precondition(countMax > 0, "a mailbox holds at least one message")
    self.countMax = countMax
    event = try EventFD()
  }

  /// To poll on; readable while messages wait.
  package var descriptor: Int32 { event.raw }

  /// Any thread.
  ///
  /// - Returns: `false` when `countMax` messages wait already.
  package func tryPost(_ message: Message) -> Bool {
    waiting.withLock { queue in
      guard queue.count < countMax else { return false }
      queue.append(message)
      // Under the lock, so that descriptor and queue never disagree: signalled after the lock, a
      // drain in between would leave a descriptor that is readable for nothing.
      if queue.count == 1 { event.signal() }
      return true
    }
  }

  /// Appends all waiting messages, oldest first. The owner's thread only.
  ///
  /// - Returns: whether there were any.
  @discardableResult
  package func drain(into messages: inout [Message]) -> Bool {
    let taken = waiting.withLock { queue -> [Message] in
      guard !queue.isEmpty else { return [] }
      event.clear()
      let taken = queue
      queue = []
      return taken
    }
    messages.append(contentsOf: taken)
    return !taken.isEmpty
  }
}
