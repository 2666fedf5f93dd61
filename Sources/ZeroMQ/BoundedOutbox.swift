package import ClusterModel

/// Frames to one peer that its full queue did not take, in order.
///
/// A loop tries again with ``flush(through:to:)``: a DEALER's when the socket is writable, a
/// ROUTER's each turn and at a deadline of its own, because a ROUTER cannot say which peer has room.
package struct BoundedOutbox: Sendable {
  /// At either limit a frame is refused, and the caller decides: push back, or give the peer up.
  package let framesMax: Int
  package let bytesMax: Int
  /// Of the frames that wait here, and of large ones that wait in the socket.
  package let account: ByteAccount
  private var frames: [[UInt8]] = []
  private var first = 0
  /// Of the frames that wait here.
  package private(set) var byteCount = 0

  package init(framesMax: Int, bytesMax: Int, account: ByteAccount = ByteAccount()) {
    precondition(framesMax > 0 && bytesMax > 0, "limits are positive")
    self.framesMax = framesMax
    self.bytesMax = bytesMax
    self.account = account
  }

  package var frameCount: Int { frames.count - first }
  package var isEmpty: Bool { frameCount == 0 }

  package enum SendOutcome: Equatable, Sendable {
    case sent
    /// The frame waits behind others; it is the outbox's now.
    case queued
    /// A limit is reached; the frame is still the caller's.
    case full
    /// The peer is gone, and with it every use of this outbox: ``discard()`` it.
    case unreachable
  }

  package mutating func send(
    _ frame: [UInt8], through socket: borrowing Socket, to peer: PeerID? = nil
  ) throws(ZeroMQError) -> SendOutcome {
    if isEmpty {
      switch try socket.trySend(frame, to: peer, countedBy: account) {
      case .sent: return .sent
      case .unreachable: return .unreachable
      case .wouldBlock: break
      }
    }
    guard frameCount < framesMax, byteCount + frame.count <= bytesMax else { return .full }
    frames.append(frame)
    byteCount += frame.count
    account.add(frame.count)
    return .queued
  }

  package enum FlushOutcome: Equatable, Sendable {
    case empty
    case stillWaiting
    case unreachable
  }

  /// Sends as many waiting frames as the peer takes.
  package mutating func flush(
    through socket: borrowing Socket, to peer: PeerID? = nil
  ) throws(ZeroMQError) -> FlushOutcome {
    while first < frames.count {
      switch try socket.trySend(frames[first], to: peer, countedBy: account) {
      case .sent: removeFirst()
      case .wouldBlock: return .stillWaiting
      case .unreachable: return .unreachable
      }
    }
    return .empty
  }

  /// - Returns: how many frames were thrown away, for the metric that counts them.
  package mutating func discard() -> Int {
    let count = frameCount
    frames = []
    first = 0
    account.add(-byteCount)
    byteCount = 0
    return count
  }

  private mutating func removeFirst() {
    byteCount -= frames[first].count
    account.add(-frames[first].count)
    frames[first] = []
    first += 1
    // Moving the rest only once it is the smaller half keeps the cost per frame constant.
    if first * 2 >= frames.count {
      frames.removeFirst(first)
      first = 0
    }
  }
}
