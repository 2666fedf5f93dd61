package import ClusterModel
package import WireProtocol

/// The common read: a synchronous body wants a key that the shared cache has, and the call has
/// written nothing that could change it. The same as `.read` and `.lookedUp`, without their detour
/// through inputs and effects, which costs more than the look-up itself.
extension Executor {
  /// Whether what the shared cache has of any key is all that a read needs.
  package var readsStraight: Bool {
    guard let call else { return false }
    return call.overlay.isEmpty && !call.isCancelled
  }

  /// Takes what the shared cache has of a key, while `readsStraight`.
  ///
  /// - Parameters:
  ///   - wall: read only where the record expires.
  /// - Returns: nil where the read goes the long way: too old a version, or no plain value.
  package mutating func takeHit(
    _ record: Record, of key: Key, acknowledged: UInt64, wall: () -> UInt64
  ) -> ReadAnswer? {
    guard record.lattice == .lastWriterWins, isGoodEnough(record, for: key) else { return nil }
    if record.expiry != 0, record.isExpired(at: wall()) { return nil }
    note(record, of: key, acknowledged: acknowledged)
    return .value(encoding: record.encoding, record.payload)
  }

  /// What the call has learnt, whatever comes of it.
  mutating func note(_ record: Record, of key: Key, acknowledged: UInt64) {
    let isAcknowledged = record.writeSequence <= acknowledged
    call?.note(record.version, of: key, isAcknowledged: isAcknowledged)
    guard !isAcknowledged else { return }
    let highest = max(call?.readSequence ?? 0, record.writeSequence)
    call?.readSequence = highest
  }
}
