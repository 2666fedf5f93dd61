/// Bytes that share the buffer they were cut from; copying one copies a reference, not the bytes.
///
/// Decoders cut message fields out of the received frame this way. Whoever keeps a small field of
/// a large frame for long copies it first (`Bytes(Array(field))`), or the whole frame stays alive.
package typealias Bytes = ArraySlice<UInt8>

extension ArraySlice<UInt8> {
  package init(text: String) {
    self = Array(text.utf8)[...]
  }

  /// The bytes as text; malformed UTF-8 is repaired, so use it for messages to people only.
  package var text: String { String(decoding: self, as: UTF8.self) }
}
