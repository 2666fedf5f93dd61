/// Writes one value in the native format.
public struct NativeWriter {
  @usableFromInline var storage: [UInt8] = []
  public var bytes: [UInt8] { @inlinable get { storage } }
  @usableFromInline var depth = 0
  @usableFromInline let bytesMax: Int
  /// What the value would take, once that is more than `bytesMax`: no large part is written then,
  /// for two copies of it may be more than the process may have. Zero while it fits.
  public var excess: Int { @inlinable get { excessBytes } }
  @usableFromInline var excessBytes = 0

  @inlinable public init(reserving capacity: Int = 0, bytesMax: Int = .max) {
    self.bytesMax = bytesMax
    if capacity > 0 { storage.reserveCapacity(capacity) }
  }

  /// Forgets what was written and keeps the memory.
  public mutating func clear() {
    storage.removeAll(keepingCapacity: true)
    depth = 0
    excessBytes = 0
  }

  @inlinable public mutating func write(_ tag: NativeTag) {
    storage.append(tag.rawValue)
  }

  @inlinable public mutating func write(_ value: Bool) {
    write(value ? NativeTag.true : .false)
  }

  @inlinable public mutating func write(_ value: Int64) {
    write(.int64)
    append(bitsOf: value)
  }

  /// As `int64` where it fits: one number has one form.
  @inlinable public mutating func write(_ value: UInt64) {
    if let small = Int64(exactly: value) { return write(small) }
    write(.uint64)
    append(bitsOf: value)
  }

  @inlinable public mutating func write(_ value: Double) {
    write(.double)
    append(bitsOf: value)
  }

  @inlinable public mutating func write(_ text: String) {
    write(.string)
    writeKey(text)
  }

  /// A map's key: a string without its tag.
  @inlinable public mutating func writeKey(_ key: String) {
    var key = key
    key.withUTF8 { appendCounted(UnsafeRawBufferPointer($0)) }
  }

  @inlinable public mutating func write(bytes block: UnsafeRawBufferPointer) {
    write(.bytes)
    appendCounted(block)
  }

  @inlinable public mutating func write<Element: BulkElement>(bulk elements: [Element]) {
    write(Element.bulkTag)
    append(bitsOf: UInt32(clamping: elements.count))
    guard hasRoom(for: elements.count * MemoryLayout<Element>.stride) else { return }
    while !storage.count.isMultiple(of: 8) { storage.append(0) }
    elements.withUnsafeBytes { storage.append(contentsOf: $0) }
  }

  /// Starts an array or a map; `endContainer` follows its last element.
  ///
  /// - Returns: where the count lies, for `setCount` when it is known only later.
  @discardableResult
  public mutating func beginContainer(_ tag: NativeTag, count: Int) throws(ValueError) -> Int {
    guard depth < ValueLimits.depthMax else {
      throw ValueError(
        expected: "at most \(ValueLimits.depthMax) values inside one another", found: "more")
    }
    depth += 1
    write(tag)
    append(bitsOf: UInt32(clamping: count))
    return storage.count - 4
  }

  public mutating func endContainer() {
    depth -= 1
  }

  public mutating func setCount(_ count: Int, at offset: Int) {
    let bits = UInt32(clamping: count).littleEndian
    for index in 0..<4 { storage[offset + index] = UInt8(truncatingIfNeeded: bits >> (8 * index)) }
  }

  @inlinable mutating func appendCounted(_ block: UnsafeRawBufferPointer) {
    append(bitsOf: UInt32(clamping: block.count))
    guard hasRoom(for: block.count) else { return }
    storage.append(contentsOf: block)
  }

  @inlinable mutating func hasRoom(for count: Int) -> Bool {
    if excessBytes == 0, count <= bytesMax - storage.count { return true }
    excessBytes = max(excessBytes, storage.count) + count
    return false
  }

  @inlinable mutating func append(bitsOf value: some BitwiseCopyable) {
    withUnsafeBytes(of: value) { storage.append(contentsOf: $0) }
  }
}
