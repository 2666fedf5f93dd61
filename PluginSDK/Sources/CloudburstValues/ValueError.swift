/// Why bytes are not the value that was asked for: where, what was expected, what was found.
///
/// Reads as "argument 1.items[3]: expected Int, got string "abc"".
public struct ValueError: Error, Hashable, Sendable, CustomStringConvertible {
  /// Where in the value, outermost first: "argument 1", ".name", "[3]"; empty for the value itself.
  public var path: String
  public var expected: String
  public var found: String

  public init(path: String = "", expected: String, found: String) {
    self.path = path
    self.expected = expected
    self.found = found
  }

  public var description: String {
    let place = path.hasPrefix(".") ? String(path.dropFirst()) : path
    let statement = "expected \(expected), got \(found)"
    return place.isEmpty ? statement : "\(place): \(statement)"
  }

  /// The same error, seen from the value around the one it happened in.
  public func inside(_ step: String) -> ValueError {
    ValueError(path: step + path, expected: expected, found: found)
  }
}

/// The most that values may hold; beyond it a value is refused with a `ValueError`.
public enum ValueLimits {
  /// Arrays and maps inside one another.
  public static let depthMax = 128
  /// Bytes of one encoded value.
  public static let bytesMax = 256 << 20
  /// Elements that are given room before they are read: a count alone does not earn memory.
  static let reservedElementsMax = 4096
}
