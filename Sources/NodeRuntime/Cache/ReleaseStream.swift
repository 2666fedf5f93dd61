import ClusterModel
import WireProtocol

/// Releases on their way to a scheduler, numbered, and kept until it acknowledges them: a lost one
/// would keep a result back for ever. Taking one twice does no harm.
///
/// Beyond `keptMax` the oldest are no longer sent again: their calls end by their deadlines.
struct ReleaseStream {
  static let keptMax = 1024

  private var kept: [(number: UInt64, scheduler: Incarnation, frame: [UInt8])] = []
  private var lastNumber: UInt64 = 0
  private var connected: Incarnation?

  /// - Returns: the frame to send now; nil while this scheduler is not connected.
  mutating func frame(for entries: [Released.Entry], to scheduler: Incarnation) -> [UInt8]? {
    // Another life answers at the scheduler's address: nobody waits for these any more.
    if let connected, connected != scheduler { return nil }
    lastNumber += 1
    var released = Released()
    released.entries = entries
    let frame = released.framed(.released, number: lastNumber)
    if kept.count >= Self.keptMax { kept.removeFirst() }
    kept.append((lastNumber, scheduler, frame))
    return connected == nil ? nil : frame
  }

  /// - Returns: the frames to send again.
  mutating func connected(to scheduler: Incarnation) -> [[UInt8]] {
    connected = scheduler
    kept.removeAll { $0.scheduler != scheduler }
    return kept.map(\.frame)
  }

  mutating func disconnected() { connected = nil }

  mutating func acknowledged(upTo number: UInt64) {
    kept.removeAll { $0.number <= number }
  }
}
