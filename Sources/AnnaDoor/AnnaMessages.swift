package import ClusterModel
package import WireProtocol

/// Anna's messages, each alone in its frame: the port says which it is. Texts stay bytes, so that
/// what a client sent is what it gets back.

/// One key of a request or an answer.
package struct AnnaKeyTuple: WireMessage {
  package var key: Bytes = []
  package var latticeType: UInt32 = 0
  package var error = AnnaError.none
  package var payload: Bytes = []
  package var addressCacheSize: UInt32 = 0
  package var invalidate = false

  package init() {}

  package func encode(into writer: inout ProtobufWriter) {
    writer.field(1, key)
    writer.field(2, latticeType)
    writer.field(3, error.number)
    writer.field(4, payload)
    writer.field(5, addressCacheSize)
    writer.field(6, invalidate)
  }

  package mutating func decodeField(from reader: inout ProtobufReader) throws(WireError) {
    switch reader.field {
    case 1: key = try reader.bytesField()
    case 2: latticeType = try reader.uint32()
    case 3: error = AnnaError(number: try reader.uint32())
    case 4: payload = try reader.bytesField()
    case 5: addressCacheSize = try reader.uint32()
    case 6: invalidate = try reader.bool()
    default: try reader.skip()
    }
  }
}

package struct AnnaKeyRequest: WireMessage {
  /// An `AnnaRequestType`, or anything else.
  package var type: UInt32 = 0
  package var tuples: [AnnaKeyTuple] = []
  /// Empty: nobody waits for an answer.
  package var responseAddress: Bytes = []
  package var requestID: Bytes = []

  package init() {}

  package func encode(into writer: inout ProtobufWriter) {
    writer.field(1, type)
    writer.messages(2, tuples)
    writer.field(3, responseAddress)
    writer.field(4, requestID)
  }

  package mutating func decodeField(from reader: inout ProtobufReader) throws(WireError) {
    switch reader.field {
    case 1: type = try reader.uint32()
    case 2: try reader.append(to: &tuples)
    case 3: responseAddress = try reader.bytesField()
    case 4: requestID = try reader.bytesField()
    default: try reader.skip()
    }
  }
}

package struct AnnaKeyResponse: WireMessage {
  package var type: UInt32 = 0
  /// In the order of the request.
  package var tuples: [AnnaKeyTuple] = []
  package var responseID: Bytes = []
  /// Of the whole request; none of Anna's servers sets it, and her clients look at the tuples.
  package var error = AnnaError.none

  package init() {}

  package var sizeHint: Int {
    tuples.reduce(64) { $0 + $1.key.count + $1.payload.count + 24 }
  }

  package func encode(into writer: inout ProtobufWriter) {
    writer.field(1, type)
    writer.messages(2, tuples)
    writer.field(3, responseID)
    writer.field(4, error.number)
  }

  package mutating func decodeField(from reader: inout ProtobufReader) throws(WireError) {
    switch reader.field {
    case 1: type = try reader.uint32()
    case 2: try reader.append(to: &tuples)
    case 3: responseID = try reader.bytesField()
    case 4: error = AnnaError(number: try reader.uint32())
    default: try reader.skip()
    }
  }
}

/// Where is each of these keys?
package struct AnnaAddressRequest: WireMessage {
  package var responseAddress: Bytes = []
  package var keys: [AnnaText] = []
  package var requestID: Bytes = []

  package init() {}

  package func encode(into writer: inout ProtobufWriter) {
    writer.field(1, responseAddress)
    for key in keys { writer.element(2, key.bytes) }
    writer.field(3, requestID)
  }

  package mutating func decodeField(from reader: inout ProtobufReader) throws(WireError) {
    switch reader.field {
    case 1: responseAddress = try reader.bytesField()
    case 2:
      guard keys.count < Limits.messageElementsMax else { throw .tooManyElements(field: 2) }
      keys.append(AnnaText(bytes: try reader.bytesField()))
    case 3: requestID = try reader.bytesField()
    default: try reader.skip()
    }
  }
}

/// An element of a repeated string, as it came.
package struct AnnaText: Equatable, Sendable {
  package let bytes: Bytes

  package init(bytes: Bytes) { self.bytes = bytes }
}

package struct AnnaAddressResponse: WireMessage {
  package struct KeyAddresses: WireMessage {
    package var key: Bytes = []
    /// Whole endpoints.
    package var endpoints: [String] = []

    package init() {}

    package func encode(into writer: inout ProtobufWriter) {
      writer.field(1, key)
      for endpoint in endpoints { writer.element(2, endpoint) }
    }

    package mutating func decodeField(from reader: inout ProtobufReader) throws(WireError) {
      switch reader.field {
      case 1: key = try reader.bytesField()
      case 2: try reader.append(to: &endpoints)
      default: try reader.skip()
      }
    }
  }

  /// One a key, in the order asked.
  package var addresses: [KeyAddresses] = []
  package var error = AnnaError.none
  package var responseID: Bytes = []

  package init() {}

  package func encode(into writer: inout ProtobufWriter) {
    writer.messages(1, addresses)
    writer.field(2, error.number)
    writer.field(3, responseID)
  }

  package mutating func decodeField(from reader: inout ProtobufReader) throws(WireError) {
    switch reader.field {
    case 1: try reader.append(to: &addresses)
    case 2: error = AnnaError(number: try reader.uint32())
    case 3: responseID = try reader.bytesField()
    default: try reader.skip()
    }
  }
}

/// The payload of a last-writer-wins key. The other types' payloads are those of our records.
package struct AnnaLWWValue: WireMessage {
  package var timestamp: UInt64 = 0
  package var value: Bytes = []

  package init() {}

  package init(timestamp: UInt64, value: Bytes) {
    self.timestamp = timestamp
    self.value = value
  }

  package var sizeHint: Int { value.count + 24 }

  package func encode(into writer: inout ProtobufWriter) {
    writer.field(1, timestamp)
    writer.field(2, value)
  }

  package mutating func decodeField(from reader: inout ProtobufReader) throws(WireError) {
    switch reader.field {
    case 1: timestamp = try reader.uint64()
    case 2: value = try reader.bytesField()
    default: try reader.skip()
    }
  }
}
