import Platform
import ZeroMQ

/// What a thread does beside a loop: one order at a time.
protocol OrderPerformer: SendableMetatype {
  associatedtype Order: Sendable
  mutating func perform(_ order: Order)
}

/// A thread that sleeps until it is given an order.
final class OrderThread<Performer: OrderPerformer>: Sendable {
  private enum Message: Sendable {
    case order(Performer.Order)
    case stop
  }

  private let orders: Mailbox<Message>
  private let thread: LoopThread

  init(name: String, _ performer: sending Performer) throws(PlatformError) {
    // One order is under way at a time; the other place is for the one to stop.
    let orders = try Mailbox<Message>(countMax: 2)
    self.orders = orders
    thread = try LoopThread(name: name) {
      Self.run(performer, orders)
    }
  }

  /// The one before has been performed.
  func perform(_ order: Performer.Order) {
    let isTaken = orders.tryPost(.order(order))
    precondition(isTaken, "one order is under way at a time")
  }

  /// Returns once the performer is gone.
  func stop() {
    _ = orders.tryPost(.stop)
    thread.join()
  }

  private static func run(_ performer: consuming Performer, _ orders: Mailbox<Message>) {
    var performer = performer
    var poller = Poller()
    _ = poller.watch(descriptor: orders.descriptor)
    while true {
      do {
        _ = try poller.wait(until: nil)
      } catch {
        preconditionFailure("waiting for one descriptor cannot fail: \(error)")
      }
      var waiting: [Message] = []
      orders.drain(into: &waiting)
      for message in waiting {
        guard case .order(let order) = message else { return }
        performer.perform(order)
      }
    }
  }
}
