package import ClusterModel
package import WireProtocol

/// The common read: a synchronous body wants a key that the shared cache has, and the call has
/// written nothing that could change it. The same as `.read` and `.lookedUp`, without their detour
/// through inputs and effects, which costs more than the look-up itself.
extension Executor {
  /// Whether what the shared cache has of any key is all that a read needs.
  package var readsStraight: Bool {
    // Mutating, so that a loop that keeps this value in a class does not copy it to ask.
    mutating get {
      call?.overlay.isEmpty == true && call?.isCancelled == false
    }
  }

  /// Takes what the shared cache has of a key, while `readsStraight`.
  ///
  /// - Parameters:
  ///   - wall: read only where the record expires.
  /// - Returns: nil where the read goes the long way: too old a version, or no plain value.
  package mutating func takeHit(
    _ record: Record, of key: Key, acknowledged: UInt64, wall: () -> UInt64
  ) -> ReadAnswer? {
    guard record.lattice == .lastWriterWins, !record.flags.contains(.partial) else { return nil }
    if record.expiry != 0, record.isExpired(at: wall()) { return nil }
    guard call?.note(record, of: key, acknowledged: acknowledged) == true else { return nil }
    return .value(encoding: record.encoding, record.payload)
  }
}
