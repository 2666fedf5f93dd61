/// Payload: `SetValue { repeated bytes values = 1 }`, written bytewise ascending.
extension GrowSet {
  /// Reads the elements in any order, repeated or not; unknown fields are skipped. The elements are
  /// slices of `bytes`.
  public init(serialized bytes: ArraySlice<UInt8>) throws(LatticeError) {
    self.init()
    var reader = ProtobufReader(bytes, of: .set)
    var normaliseAt = Self.unsortedElementsMax
    while let field = try reader.nextField() {
      guard case .bytes(1, let element) = field else { continue }
      elements.append(element)
      if elements.count == normaliseAt {
        normalise()
        normaliseAt = max(Self.unsortedElementsMax, 2 * elements.count)
      }
    }
    normalise()
  }

  public func serialized() -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(serializedCount)
    append(to: &bytes)
    return bytes
  }

  public func append(to bytes: inout [UInt8]) {
    for element in elements {
      bytes.append(ProtobufTag.bytes1)
      bytes.appendVarint(UInt64(element.count))
      bytes.append(contentsOf: element)
    }
  }

  /// Size in bytes of what `append(to:)` writes.
  public var serializedCount: Int {
    elements.reduce(0) { $0 + 1 + varintCount(UInt64($1.count)) + $1.count }
  }

  /// Repetitions are dropped at the latest when this many elements, or twice the last unique count,
  /// have gathered: a payload that repeats a two-byte element must not cost 32 bytes each time.
  static let unsortedElementsMax = 1024
}
