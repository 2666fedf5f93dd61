package import ClusterModel

/// What a key request asks for. 1 and 2 are Anna's numbers.
package enum KeyRequestType: UInt32, CaseIterable, Sendable {
  case get = 1
  /// Merges each tuple's record, or applies its counter delta.
  case put = 2
  case delete = 101
  /// Keys that begin with `tuples[0].key`, in pages: the answer's tuples carry keys only.
  case list = 102
  /// Where each key is and what it costs: `KeyExplanation` in the answer's payloads.
  case explain = 103
}

/// One key of a request or answer. Fields below 100 are Anna's.
package struct KeyTuple: WireMessage {
  package var key: Key
  /// Anna's payload (front door only); native traffic carries `record`. On the answer to an EXPLAIN
  /// the type, and a `KeyExplanation`.
  package var latticeType: UInt32 = 0
  package var annaError: UInt32 = 0
  package var payload: Bytes = []
  package var addressCacheSize: UInt32 = 0
  package var invalidate = false
  /// A `Record` envelope; empty in a GET and where the key is absent.
  package var record: Bytes = []
  /// On a PUT without a record: added to a counter by the owner. Not idempotent, so never resent.
  package var counterDelta: Int64 = 0
  /// On an answer: why this key failed; nil is success (an absent key is `keyNotFound`).
  package var failure: Failure?
  /// On a GET: answer only with this version or a later one, else `keyNotFound`.
  /// On the answer to a write: the version it got.
  package var version = Version.none
  /// On the answer to a cache's PUT: the version that the write was taken into. A cache that held that
  /// one holds `version` now.
  package var replaced = Version.none

  package init() { key = Key(trusted: []) }
  package init(key: Key) { self.key = key }

  package func encode(into writer: inout ProtobufWriter) {
    writer.field(1, key.bytes)
    writer.field(2, latticeType)
    writer.field(3, annaError)
    writer.field(4, payload)
    writer.field(5, addressCacheSize)
    writer.field(6, invalidate)
    writer.field(100, record)
    writer.zigzag(101, counterDelta)
    if let failure { writer.message(102, FailureMessage(failure)) }
    writer.field(103, version.generation)
    writer.fixed64(104, version.stamp)
    writer.field(105, replaced.generation)
    writer.fixed64(106, replaced.stamp)
  }

  package mutating func decodeField(from reader: inout ProtobufReader) throws(WireError) {
    switch reader.field {
    case 1: key = Key(trusted: try reader.bytesField())
    case 2: latticeType = try reader.uint32()
    case 3: annaError = try reader.uint32()
    case 4: payload = try reader.bytesField()
    case 5: addressCacheSize = try reader.uint32()
    case 6: invalidate = try reader.bool()
    case 100: record = try reader.bytesField()
    case 101: counterDelta = try reader.zigzag()
    case 102: failure = try reader.message(FailureMessage.self).failure
    case 103: version.generation = try reader.uint64()
    case 104: version.stamp = try reader.fixed64()
    case 105: replaced.generation = try reader.uint64()
    case 106: replaced.stamp = try reader.fixed64()
    default: try reader.skip()
    }
  }
}

/// A request for one or more keys; answered by exactly one `KeyResponse`, tuples in order.
package struct KeyRequest: WireMessage {
  package var type = KeyRequestType.get
  package var tuples: [KeyTuple] = []
  /// Anna's front door only.
  package var responseAddress = ""
  package var requestID = ""
  /// For writes: when they count as done; nil is the store's default.
  package var level: WriteLevel?
  /// On a GET from a cache: also send every later update of these keys on the push stream.
  package var subscribe = false
  /// The sender's hybrid logical clock.
  package var clock: UInt64 = 0
  /// For LIST: the cursor of the page before, zero at first.
  package var cursor: UInt64 = 0
  /// For LIST: at most so many keys; zero is the store's choice.
  package var pageSize: UInt32 = 0

  package init() {}

  package func encode(into writer: inout ProtobufWriter) {
    writer.field(1, type.rawValue)
    writer.messages(2, tuples)
    writer.field(3, responseAddress)
    writer.field(4, requestID)
    writer.field(100, UInt32(level?.rawValue ?? 0))
    writer.field(101, subscribe)
    writer.fixed64(102, clock)
    writer.fixed64(103, cursor)
    writer.field(104, pageSize)
  }

  package mutating func decodeField(from reader: inout ProtobufReader) throws(WireError) {
    switch reader.field {
    case 1:
      guard let type = KeyRequestType(rawValue: try reader.uint32()) else {
        throw .badValue(field: 1)
      }
      self.type = type
    case 2: try reader.append(to: &tuples)
    case 3: responseAddress = try reader.string()
    case 4: requestID = try reader.string()
    case 100: level = try reader.writeLevel()
    case 101: subscribe = try reader.bool()
    case 102: clock = try reader.fixed64()
    case 103: cursor = try reader.fixed64()
    case 104: pageSize = try reader.uint32()
    default: try reader.skip()
    }
  }
}

/// The answer to a `KeyRequest`; also the body of `push` and `watchEvent` frames.
///
/// Pushes are numbered from 1 after each hello; one without tuples only asks for an acknowledgement.
/// Their tuples always hold a record, of a deleted key
/// its tombstone. A heartbeat with a number repeats the last one: where the stream stands. A
/// subscribed cache acknowledges with `streamAcknowledged`; after a gap it fetches again what it holds.
package struct KeyResponse: WireMessage {
  package var type = KeyRequestType.get
  package var tuples: [KeyTuple] = []
  package var responseID = ""
  package var annaError: UInt32 = 0
  /// The whole request failed (malformed, overloaded, stopping); no tuples then.
  package var failure: Failure?
  package var clock: UInt64 = 0
  /// For LIST: where the next page begins; zero at the end.
  package var cursor: UInt64 = 0
  /// To a holder request: the epoch of the answerer's ring. Zero otherwise.
  package var ringEpoch: UInt64 = 0

  package init() {}

  package func encode(into writer: inout ProtobufWriter) {
    writer.field(1, type.rawValue)
    writer.messages(2, tuples)
    writer.field(3, responseID)
    writer.field(4, annaError)
    if let failure { writer.message(100, FailureMessage(failure)) }
    writer.fixed64(101, clock)
    writer.fixed64(102, cursor)
    writer.field(103, ringEpoch)
  }

  package mutating func decodeField(from reader: inout ProtobufReader) throws(WireError) {
    switch reader.field {
    case 1:
      guard let type = KeyRequestType(rawValue: try reader.uint32()) else {
        throw .badValue(field: 1)
      }
      self.type = type
    case 2: try reader.append(to: &tuples)
    case 3: responseID = try reader.string()
    case 4: annaError = try reader.uint32()
    case 100: failure = try reader.message(FailureMessage.self).failure
    case 101: clock = try reader.fixed64()
    case 102: cursor = try reader.fixed64()
    case 103: ringEpoch = try reader.uint64()
    default: try reader.skip()
    }
  }
}

/// Asks for every change of a key from a known version on. The frame's number names the watch in
/// its events and in `unwatch`. The first event is the state now, where it is later than `known`
/// or absent; afterwards each event is the whole state, and bursts are coalesced to the latest.
///
/// Also the body of an `unwatch` by which a cache ends its subscription to `key`; an `unwatch` without
/// a body ends the watch of the frame's number.
package struct WatchRequest: WireMessage {
  package var key = Key(trusted: [])
  package var known = Version.none

  package init() {}

  package func encode(into writer: inout ProtobufWriter) {
    writer.field(1, key.bytes)
    writer.field(2, known.generation)
    writer.fixed64(3, known.stamp)
  }

  package mutating func decodeField(from reader: inout ProtobufReader) throws(WireError) {
    switch reader.field {
    case 1: key = Key(trusted: try reader.bytesField())
    case 2: known.generation = try reader.uint64()
    case 3: known.stamp = try reader.fixed64()
    default: try reader.skip()
    }
  }
}
