/// Walks the elements of any array form: of values, bulk, or bytes.
///
/// An element of a bulk array or of bytes is shown as the scalar it is, so that whoever reads
/// elements need not know which form the writer chose.
public struct NativeElements {
  public let count: Int
  public private(set) var index = 0
  private let form: NativeTag
  private let block: UnsafeRawBufferPointer

  /// Reads the array's head; `reader` is then to be passed to every `next`, and `end` called last.
  public init(_ reader: inout NativeReader) throws(ValueError) {
    form = try reader.peek()
    switch form {
    case .array:
      count = try reader.beginContainer(.array)
      block = UnsafeRawBufferPointer(start: nil, count: 0)
    case .bytes:
      block = try reader.readBytes()
      count = block.count
    case .doubles, .floats, .int64s, .int32s:
      let width = try reader.takeBulkWidth()
      block = try reader.readBulkBlock(width: width)
      count = block.count / width
    default:
      throw reader.mismatch(expected: "an array")
    }
  }

  public var isAtEnd: Bool { index == count }

  /// Whether the elements lie in the bytes as values of their own.
  var areValues: Bool { form == .array }

  public mutating func next<T>(
    _ reader: inout NativeReader,
    _ read: (inout NativeReader) throws(ValueError) -> T
  ) throws(ValueError) -> T {
    let step = "[\(index)]"
    do throws(ValueError) {
      guard index < count else {
        throw ValueError(expected: "an element", found: "the end of the array of \(count)")
      }
      let element = form == .array ? try read(&reader) : try readScalar(read)
      index += 1
      return element
    } catch {
      throw error.inside(step)
    }
  }

  public func end(_ reader: inout NativeReader) {
    if form == .array { reader.endContainer() }
  }

  private func readScalar<T>(
    _ read: (inout NativeReader) throws(ValueError) -> T
  ) throws(ValueError) -> T {
    var writer = NativeWriter(reserving: 9)
    switch form {
    case .bytes: writer.write(Int64(block[index]))
    case .int32s: writer.write(Int64(load(Int32.self)))
    case .int64s: writer.write(load(Int64.self))
    case .floats: writer.write(Double(load(Float.self)))
    default: writer.write(load(Double.self))
    }
    let bytes = writer.bytes
    let outcome: Result<T, ValueError> = bytes.withUnsafeBytes { source in
      do throws(ValueError) {
        var scalar = NativeReader(source)
        return .success(try read(&scalar))
      } catch {
        return .failure(error)
      }
    }
    return try outcome.get()
  }

  private func load<T: BitwiseCopyable>(_ type: T.Type) -> T {
    block.loadUnaligned(fromByteOffset: index * MemoryLayout<T>.size, as: type)
  }
}
