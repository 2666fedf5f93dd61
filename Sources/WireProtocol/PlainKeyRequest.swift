package import ClusterModel

/// A GET or PUT of the commonest shape, read where it lies: making messages of it would take longer
/// than serving it.
///
/// Holds no bytes itself, only where they are; reused from request to request.
package struct PlainKeyRequest {
  package struct Tuple {
    @usableFromInline var keyStart: UInt32 = 0
    @usableFromInline var keyCount: UInt32 = 0
    @usableFromInline var recordStart: UInt32 = 0
    @usableFromInline var recordCount: UInt32 = 0
    /// For whoever serves the request.
    package var entry: Int32 = -1
    package var hash: UInt64 = 0

    /// - Parameter body: what the request was read from.
    @inlinable
    package func key(in body: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
      part(of: body, keyStart, keyCount)
    }

    /// Empty where the tuple has none.
    @inlinable
    package func record(in body: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
      part(of: body, recordStart, recordCount)
    }

    @inlinable
    func part(
      of body: UnsafeRawBufferPointer, _ start: UInt32, _ count: UInt32
    ) -> UnsafeRawBufferPointer {
      UnsafeRawBufferPointer(rebasing: body[Int(start)..<Int(start) &+ Int(count)])
    }
  }

  package private(set) var type = KeyRequestType.get
  package private(set) var level: WriteLevel?
  package var tuples: ContiguousArray<Tuple> = []

  package init() {}

  /// - Returns: false for what is no such request, or malformed; `KeyRequest` tells.
  package mutating func read(_ body: UnsafeRawBufferPointer, tuplesMax: Int) -> Bool {
    tuples.removeAll(keepingCapacity: true)
    (type, level) = (.get, nil)
    guard body.count <= UInt32.max else { return false }
    var reader = ProtobufReader(borrowing: body)
    do throws(WireError) {
      while try reader.next() {
        switch reader.field {
        case 1:
          guard let type = KeyRequestType(rawValue: try reader.uint32()) else { return false }
          self.type = type
        case 2:
          guard tuples.count < tuplesMax, try readTuple(&reader) else { return false }
        case 100: level = try reader.writeLevel()
        // A client's clock.
        case 102: _ = try reader.fixed64()
        default: return false
        }
      }
    } catch {
      return false
    }
    return !tuples.isEmpty && (type == .get || type == .put)
  }

  private mutating func readTuple(_ reader: inout ProtobufReader) throws(WireError) -> Bool {
    var tuple = Tuple()
    let outerEnd = try reader.enter()
    while try reader.next() {
      switch reader.field {
      case 1: (tuple.keyStart, tuple.keyCount) = try reader.place()
      case 100: (tuple.recordStart, tuple.recordCount) = try reader.place()
      default: return false
      }
    }
    reader.leave(to: outerEnd)
    tuples.append(tuple)
    return true
  }
}
