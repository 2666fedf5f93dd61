/// The first byte of every value in the native format; docs/native-format.md is the definition.
///
/// All numbers are little-endian. A count is 32 bits. The elements of a bulk array start at the next
/// multiple of 8 bytes from the start of the outermost value, after zero bytes, so that they can be
/// read in place wherever the value itself lies at a multiple of 8.
public enum NativeTag: UInt8, Sendable {
  case null = 0x00
  case `false` = 0x01
  case `true` = 0x02
  /// 8 bytes.
  case int64 = 0x03
  /// 8 bytes; only for values above `Int64.max`.
  case uint64 = 0x04
  /// 8 bytes, IEEE 754.
  case double = 0x05
  /// Count of bytes, UTF-8.
  case string = 0x06
  /// Count, bytes. Also what `[UInt8]` is.
  case bytes = 0x07
  /// Count, that many values.
  case array = 0x08
  /// Count, that many pairs of a string without its tag and a value; no key twice.
  case map = 0x09
  /// Bulk arrays: count, padding, elements.
  case doubles = 0x10
  case floats = 0x11
  case int64s = 0x12
  case int32s = 0x13

  /// Bytes of one element of a bulk array; `nil` for all else.
  @inlinable var elementWidth: Int? {
    switch self {
    case .doubles, .int64s: 8
    case .floats, .int32s: 4
    default: nil
    }
  }
}

/// Element types whose arrays are one block of bytes in the native format.
public protocol BulkElement: BitwiseCopyable, Sendable {
  static var bulkTag: NativeTag { get }
}

extension Double: BulkElement {
  @inlinable public static var bulkTag: NativeTag { .doubles }
}
extension Float: BulkElement {
  @inlinable public static var bulkTag: NativeTag { .floats }
}
extension Int64: BulkElement {
  @inlinable public static var bulkTag: NativeTag { .int64s }
}
extension Int: BulkElement {
  @inlinable public static var bulkTag: NativeTag { .int64s }
}
extension Int32: BulkElement {
  @inlinable public static var bulkTag: NativeTag { .int32s }
}

#if _endian(big)
  #error("the native format is copied as it lies in memory: little-endian machines only")
#endif
