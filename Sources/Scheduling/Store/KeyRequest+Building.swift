import ClusterModel
import Lattices
import WireProtocol

extension KeyRequest {
  static func get(_ keys: [Key]) -> KeyRequest {
    var request = KeyRequest()
    request.tuples = keys.map { KeyTuple(key: $0) }
    return request
  }

  /// Every write carries a stamp of ours: sent twice, the second changes nothing.
  static func put(_ tuples: [KeyTuple]) -> KeyRequest {
    var request = KeyRequest()
    request.type = .put
    request.tuples = tuples
    return request
  }

  static func delete(_ keys: [Key], stamp: UInt64) -> KeyRequest {
    var request = KeyRequest()
    request.type = .delete
    request.tuples = keys.map { key in
      var tuple = KeyTuple(key: key)
      tuple.version.stamp = stamp
      return tuple
    }
    return request
  }

  static func list(_ prefix: Key, cursor: UInt64) -> KeyRequest {
    var request = KeyRequest()
    request.type = .list
    request.tuples = [KeyTuple(key: prefix)]
    request.cursor = cursor
    return request
  }
}

extension KeyTuple {
  static func value(
    _ key: Key, _ payload: Bytes, encoding: UInt8 = 0, stamp: UInt64, expiry: UInt64 = 0
  ) -> KeyTuple {
    var record = Record(
      lattice: .lastWriterWins, encoding: encoding, flags: .blind,
      version: Version(generation: 0, stamp: stamp), payload: payload)
    record.expiry = expiry
    var tuple = KeyTuple(key: key)
    tuple.record = record.encoded()
    return tuple
  }

  static func names(_ key: Key, _ names: [String], stamp: UInt64) -> KeyTuple {
    var set = GrowSet()
    for name in names { set.insert(Bytes(text: name)) }
    let record = Record(
      lattice: .set, flags: .blind, version: Version(generation: 0, stamp: stamp),
      payload: set.serialized()[...])
    var tuple = KeyTuple(key: key)
    tuple.record = record.encoded()
    return tuple
  }

  /// The value of a GET's answer, nil where the key is absent or holds something else.
  var payload: Bytes? {
    guard failure == nil, let record = try? Record(record), record.lattice == .lastWriterWins else {
      return nil
    }
    return record.payload
  }

  /// The elements of a set, as names; those that are no text are left out.
  var setNames: [String] {
    guard failure == nil, let record = try? Record(record), record.lattice == .set,
      let set = try? GrowSet(serialized: record.payload)
    else { return [] }
    return set.elements.compactMap { String(validating: $0, as: UTF8.self) }
  }
}

extension KeyResponse {
  /// The first thing that went wrong; an absent key is not wrong.
  var firstFailure: Failure? {
    failure ?? tuples.lazy.compactMap(\.failure).first { $0.code != .keyNotFound }
  }
}
