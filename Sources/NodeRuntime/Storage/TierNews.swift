import ClusterModel
package import Membership
package import Platform

/// What the membership last said, for a loop on another thread of the same process.
///
/// Newer words take the place of older ones that nobody has read yet: a ring holds all there is to
/// know, and a lease never ends sooner than the one before it. So nothing is lost to a loop that is
/// slow, and nothing waits for it.
package final class TierNews: Sendable {
  struct Words {
    /// The newest ring since the last look.
    var ring: RingView?
    /// Until when, on the monotonic clock, the process may act as a member.
    var leaseEnd: UInt64 = 0
    /// This machine's wall clock less the membership's, in milliseconds; nil: nothing new.
    var clockLead: Int64?
  }

  private let unread = Locked(Words())
  private let event: EventFD

  package init() throws(PlatformError) { event = try EventFD() }

  /// To poll on; readable while there is something unread.
  var descriptor: Int32 { event.raw }

  /// Any thread; never waits. What is no shard's business is left out.
  package func note(_ news: MemberLife.News) {
    unread.withLock { words in
      switch news {
      case .ring(let ring): words.ring = ring
      case .lease(let end): words.leaseEnd = max(words.leaseEnd, end)
      case .clockLead(let lead): words.clockLead = lead
      case .fenced, .mayLeave, .refused: return
      }
      event.signal()
    }
  }

  /// The owner's thread only.
  func take() -> Words {
    unread.withLock { words in
      event.clear()
      // With the first lease comes what the referee says of this machine's clock: no ring before that.
      guard words.leaseEnd > 0 else { return Words() }
      defer { (words.ring, words.clockLead) = (nil, nil) }
      return words
    }
  }
}
