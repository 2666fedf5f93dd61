/// Bytes that are not the payload they were taken for.
public struct LatticeError: Error, Hashable, Sendable, CustomStringConvertible {
  public enum Code: Hashable, Sendable {
    /// The payload ends inside a field.
    case truncated
    /// A varint of more than ten bytes, or beyond 64 bits.
    case varint
    /// A field number of 0 or beyond 2^29 - 1.
    case fieldNumber
    /// A wire type that proto3 does not write: a group, 6 or 7.
    case wireType
    /// A name that is not UTF-8.
    case text
    /// A number that nothing can be compared with.
    case notANumber
    /// A part that names another part which is not there.
    case reference
    /// A part that must be there is not.
    case incomplete
    /// A number, or a count of bytes, that the lattice never writes.
    case outOfRange
    /// More parts than the lattice's limits allow.
    case tooLarge
  }

  public enum Payload: String, Hashable, Sendable {
    case set, counter, priority, maximum, minimum, flag, map
    case observedRemoveSet = "observed-remove set"
    case registerMap = "last-writer-wins map"
    case register = "last-writer-wins"
    case hyperLogLog = "HyperLogLog"
    case singleKeyCausal = "single-key causal"
    case multiKeyCausal = "multi-key causal"
  }

  public let code: Code
  /// What was being read.
  public let payload: Payload
  /// Where reading stopped, counted in bytes from the start of the message (or submessage).
  public let offset: Int

  public var description: String {
    let reason =
      switch code {
      case .truncated: "it ends inside a field"
      case .varint: "a varint is too long"
      case .fieldNumber: "a field number is out of range"
      case .wireType: "a wire type is not of proto3"
      case .text: "a name is not UTF-8"
      case .notANumber: "a number is NaN"
      case .reference: "it refers to a part that is not there"
      case .incomplete: "a part is missing"
      case .outOfRange: "a number is out of range"
      case .tooLarge: "it has more parts than its limits allow"
      }
    return "not a \(payload.rawValue) payload: \(reason) (at byte \(offset))"
  }
}
