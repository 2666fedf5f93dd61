import ClusterModel
import Lattices
import StoreAccess
import WireProtocol

/// What the cache knows of one key.
struct Entry {
  /// What executors read: the owner's state with the writes that it does not have yet. The payload is
  /// left out where `holdsPayload` is false: then it is in shared memory only.
  var record: Record
  var holdsPayload = true
  /// Whether the record is in shared memory; false where it found no room there.
  var isInstalled = false
  /// Who pushes every change; nil for nobody.
  var owner: Route?
  /// Waits to be compared with the owner's state after a connection or part of its stream was lost.
  var isUnverified = false
  /// Bytes counted for the entry.
  var cost = 0
  /// Bytes counted for its writes.
  var dirtyCost = 0
  /// Early ones counted among its writes.
  var earlyCount = 0
  /// The write that is on its way to the owner, or comes next.
  var sent: LocalWrite?
  var isOnTheWay = false
  /// How often it was sent without an answer.
  var resends = 0
  /// Writes behind it: at most a delete and what was written after it.
  var waiting: [LocalWrite] = []
  var counter: OwnCounter?
  /// Index in the sweep's ring; nil for an entry that is not in it.
  var place: Int?

  /// Nothing is known: every write is blind.
  static var unknown: Entry {
    Entry(record: Record(lattice: .none, flags: [.tombstone, .partial, .blind], payload: []))
  }

  var isSubscribed: Bool { owner != nil }
  var isDirty: Bool { sent != nil || !waiting.isEmpty }
  /// The owner's generation is not known.
  var isBlind: Bool { record.flags.contains(.blind) }
  var isPartial: Bool { record.flags.contains(.partial) }
  /// In the order in which the owner takes them.
  var writes: [LocalWrite] { (sent.map { [$0] } ?? []) + waiting }
}

/// One write of a key as the owner will get it. Sent again as it is until it is acknowledged: taking
/// it twice is the same as taking it once.
struct LocalWrite {
  /// A tombstone for a delete; else the value, the elements added, or this cache's counter entry.
  var record: Record
  /// The first and the last local write that it stands for.
  var firstSequence: UInt64
  var lastSequence: UInt64
  var level: WriteLevel
  /// Calls that wait for its acknowledgement.
  var calls: [CallID]
  /// How many of its writes were acknowledged to their callers before the owner has them.
  var earlyCount = 0

  var isDelete: Bool { record.lattice == .none }
  var byteCount: Int { Record.headerByteCount + record.payload.count }
}

/// This cache's own entry of a counter, and how much of it the owner has.
struct OwnCounter {
  let actor: UInt64
  var added: UInt64 = 0
  var subtracted: UInt64 = 0
  var addedAtOwner: UInt64 = 0
  var subtractedAtOwner: UInt64 = 0

  mutating func add(_ delta: Int64) {
    if delta < 0 {
      subtracted = subtracted.saturatingSum(delta.magnitude)
    } else {
      added = added.saturatingSum(delta.magnitude)
    }
  }

  var payload: Bytes {
    Counter([.init(actor: actor, added: added, subtracted: subtracted)]).serialized()[...]
  }
}

/// An attempt of a call, whose result waits behind the release barrier.
struct CallID: Hashable {
  let invocation: InvocationID
  let attempt: UInt32
}

extension UInt64 {
  func saturatingSum(_ other: UInt64) -> UInt64 {
    let (sum, overflow) = addingReportingOverflow(other)
    return overflow ? .max : sum
  }
}

extension Key {
  /// With bytes of its own: a key cut from a frame would keep the whole frame.
  var compacted: Key { Key(trusted: Bytes(Array(bytes))) }
}

extension Bytes {
  /// Small bytes with a buffer of their own; large ones are most of their frame anyway.
  var detached: Bytes { count < 64 << 10 ? Bytes(Array(self)) : self }
}
