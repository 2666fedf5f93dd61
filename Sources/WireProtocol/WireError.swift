/// Why bytes were refused by a decoder. Bad bytes are a peer's mistake, never a trap.
package enum WireError: Error, Equatable, Sendable {
  case truncated
  case badTag
  case badFormatVersion(UInt8)
  case badValue(field: UInt32)
  case tooManyElements(field: UInt32)
}
