import ClusterModel
package import Logging
package import Membership
package import Platform
package import ZeroMQ

package enum MemberMessage: Sendable {
  /// All shards of the process have what they are to hold by the ring of this epoch.
  case settled(epoch: UInt64)
  /// Where the process listens; of a storage node, index = shard.
  case listening([String])
  /// Hand over and go.
  case leave
  case stop
}

/// A `MemberLink` on a thread of its own, so that a busy loop beside it does not cost the lease.
///
/// Ends with the failure `FENCED` when this life of the process is over: the process must then end,
/// and its keeper starts the next life.
package struct MemberLoop: NodeLoop, ~Copyable {
  private let mailbox: Mailbox<MemberMessage>
  private let logger: Logger
  private let onNews: @Sendable (MemberLife.News) -> Void
  private let endpoints: [String]
  private var link: MemberLink
  private var poller = Poller()
  private var isToldToStop = false
  /// The last refusal logged; the same one is not said twice a second.
  private var refusal: Failure?

  package static func mailbox() throws(PlatformError) -> Mailbox<MemberMessage> {
    try Mailbox(countMax: 1024)
  }

  /// - Parameters:
  ///   - endpoints: where the process listens; of a storage node, index = shard.
  ///   - onNews: called on the loop's thread; it must not wait.
  package init(
    _ configuration: MemberConfiguration, listeningAt endpoints: [String],
    mailbox: Mailbox<MemberMessage>, in context: Context, logger: Logger,
    onNews: @escaping @Sendable (MemberLife.News) -> Void
  ) throws {
    link = try MemberLink(configuration, in: context)
    self.endpoints = endpoints
    self.mailbox = mailbox
    self.logger = logger
    self.onNews = onNews
  }

  package mutating func run() throws {
    _ = poller.watch(descriptor: mailbox.descriptor)
    try link.watch(in: &poller)
    try link.listens(at: endpoints)
    while !isToldToStop {
      _ = try poller.wait(until: link.deadline)
      try takeMessages()
      for event in try link.turn(now: MonotonicClock.now, poller: &poller) {
        if case .news(let news) = event { try take(news) }
      }
    }
  }

  private mutating func takeMessages() throws {
    var messages: [MemberMessage] = []
    mailbox.drain(into: &messages)
    for message in messages {
      switch message {
      case .settled(let epoch): try link.settled(epoch: epoch)
      case .listening(let endpoints): try link.listens(at: endpoints)
      case .leave: try link.leave()
      case .stop: isToldToStop = true
      }
    }
  }

  private mutating func take(_ news: MemberLife.News) throws {
    onNews(news)
    switch news {
    case .fenced(let failure): throw failure
    case .refused(let failure) where failure != refusal:
      refusal = failure
      logger.warning("the membership refuses this process: \(failure)")
    case .clockLead(let lead) where lead.magnitude > Self.driftMax:
      logger.warning("this machine's clock is \(lead) ms ahead of the membership's")
    case .ring(let ring):
      logger.info("ring \(ring.epoch): \(ring.ring.members.count) shards")
    case .lease, .mayLeave, .refused, .clockLead: break
    }
  }

  private static var driftMax: UInt64 { Limits.clockDriftMax.wholeNanoseconds / 1_000_000 }
}
