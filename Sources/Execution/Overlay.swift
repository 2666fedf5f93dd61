import ClusterModel
import Lattices
import WireProtocol

/// A call's writes that the shared cache does not have yet, in program order.
///
/// Writes of one key are folded where that changes nothing for anyone: a batch is applied as a
/// whole, so only the last put of a key in it can ever be seen.
struct Overlay {
  private struct Batch {
    var number: UInt64 = 0
    var writes: [CacheWrite] = []
    var places: [Key: [Int]] = [:]
    var byteCount = 0
  }

  private var unsent = Batch()
  private var sent: [Batch] = []
  private(set) var sentByteCount = 0

  var unsentByteCount: Int { unsent.byteCount }
  var isEmpty: Bool { sent.isEmpty && unsent.writes.isEmpty }

  /// What a read of a key needs besides the overlay.
  enum Base {
    /// Nothing: the call has put or deleted the key.
    case settled(StoredValue)
    case needed
    /// The state in the cache, once the increments that are on their way to it have arrived: before,
    /// it cannot be told whether it holds them.
    case neededOnceApplied
  }

  func base(of key: Key) -> Base {
    let own = writes(to: key)
    guard let last = own.lastIndex(where: { $0.write.kind == .put || $0.write.kind == .delete })
    else {
      let isUncertain = own.contains { $0.isSent && $0.write.kind == .addToCounter }
      return isUncertain ? .neededOnceApplied : .needed
    }
    do {
      var value = StoredValue.missing
      for entry in own[last...] { value = try value.applying(entry.write) }
      return .settled(value)
    } catch {
      preconditionFailure("what would conflict within a call is refused: \(error)")
    }
  }

  /// The value of a key whose state below the overlay is known.
  func applying(to base: StoredValue, at key: Key) throws(Failure) -> StoredValue {
    var value = base
    for entry in writes(to: key) { value = try value.applying(entry.write) }
    return value
  }

  /// Whether the call's latest write of the key was of another lattice type.
  func conflicts(with write: CacheWrite) -> Bool {
    guard write.kind != .delete, let latest = writes(to: write.key).last?.write,
      latest.kind != .delete
    else { return false }
    return latest.kind != write.kind
      || (write.kind == .addToSet && latest.encoding != write.encoding)
  }

  mutating func append(_ write: CacheWrite) {
    if let place = unsent.places[write.key]?.last, fold(write, into: place) { return }
    unsent.places[write.key, default: []].append(unsent.writes.count)
    unsent.writes.append(write)
    unsent.byteCount += write.overlayByteCount
  }

  /// - Returns: false where both must stay: a put after a delete starts a new generation.
  private mutating func fold(_ write: CacheWrite, into place: Int) -> Bool {
    let before = unsent.writes[place].overlayByteCount
    switch (unsent.writes[place].kind, write.kind) {
    case (.put, .put), (.delete, .delete):
      unsent.writes[place] = write
    case (.addToCounter, .addToCounter):
      let (sum, overflow) = unsent.writes[place].delta.addingReportingOverflow(write.delta)
      if overflow { return false }
      unsent.writes[place].delta = sum
    case (.addToSet, .addToSet):
      // Messages of one repeated field, one after the other, are one message with all elements.
      unsent.writes[place].value += write.value
    default: return false
    }
    unsent.byteCount += unsent.writes[place].overlayByteCount - before
    return true
  }

  mutating func takeUnsent(as number: UInt64) -> [CacheWrite] {
    guard !unsent.writes.isEmpty else { return [] }
    unsent.number = number
    sentByteCount += unsent.byteCount
    sent.append(unsent)
    defer { unsent = Batch() }
    return unsent.writes
  }

  /// - Returns: whether the batch was still here.
  mutating func take(applied number: UInt64) -> Bool {
    guard let place = sent.firstIndex(where: { $0.number == number }) else { return false }
    sentByteCount -= sent.remove(at: place).byteCount
    return true
  }

  private func writes(to key: Key) -> [(write: CacheWrite, isSent: Bool)] {
    if isEmpty { return [] }
    var found: [(write: CacheWrite, isSent: Bool)] = []
    for batch in sent {
      for place in batch.places[key] ?? [] { found.append((batch.writes[place], true)) }
    }
    for place in unsent.places[key] ?? [] { found.append((unsent.writes[place], false)) }
    return found
  }
}

extension CacheWrite {
  /// What a write counts for against the limits; the constant stands for its fields.
  fileprivate var overlayByteCount: Int { key.bytes.count + value.count + 64 }
}
