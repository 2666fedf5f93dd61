package import CloudburstValues
package import ClusterModel

extension EncodedValue {
  /// Bytes that users stored inside a lattice, with what its envelope says of their encoding.
  ///
  /// A collection has one encoding for all its elements, the highest that a writer used; an element that
  /// is no value in it is raw, as what comes through the Anna door is.
  package init(element bytes: Bytes, wireEncoding: UInt8) {
    let raw = EncodedValue(encoding: .raw, bytes: Array(bytes))
    guard let encoding = ValueEncoding(rawValue: wireEncoding), encoding != .raw else {
      self = raw
      return
    }
    let tagged = EncodedValue(encoding: encoding, bytes: raw.bytes)
    self = (try? tagged.decode(as: AnyValue.self)) == nil ? raw : tagged
  }

  /// For readers that do not know the type: raw bytes are text where they are UTF-8.
  package var anyValue: AnyValue {
    if encoding == .raw {
      return String(validating: bytes, as: UTF8.self).map(AnyValue.string) ?? .bytes(bytes)
    }
    return (try? decode(as: AnyValue.self)) ?? .bytes(bytes)
  }
}
