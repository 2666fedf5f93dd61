import ClusterModel
package import Platform
import Synchronization

/// The table in shared memory through which a node's executors show their agent what they run, and
/// the agent takes back what they have not begun (design, section 8).
///
/// Layout, native byte order (one machine): 0 magic, 8 format version, 16 count of slots; 64 whether
/// the agent watches; from 128 on one slot of 192 bytes an executor number, see `ExecutorSlot`.
/// Whoever maps it may write it: it is as trusted as the user code in the executors, so the agent
/// takes nothing from it but hints about the executor that owns the slot.
package struct SlotTable: ~Copyable {
  private static let magic: UInt64 = 0x3173_746f_6c73_6263  // "cbslots1"
  private static let formatVersion: UInt64 = 1
  private static let headerByteCount = 128

  private let file: MappedFile
  private let start: UnsafeMutableRawPointer
  package let count: Int

  private init(_ file: consuming MappedFile, count: Int) {
    guard let start = file.mutableBytes.baseAddress else {
      preconditionFailure("a mapped file has an address")
    }
    self.start = start
    self.file = file
    self.count = count
  }

  /// - Parameter path: must not exist.
  package static func created(at path: String, slots: Int) throws(PlatformError) -> SlotTable {
    precondition(slots > 0, "a node has at least one executor")
    let bytes = headerByteCount + slots * ExecutorSlot.byteCount
    let table = SlotTable(try MappedFile(creating: path, byteCount: bytes), count: slots)
    table.start.storeBytes(of: formatVersion, toByteOffset: 8, as: UInt64.self)
    table.start.storeBytes(of: UInt64(slots), toByteOffset: 16, as: UInt64.self)
    // Last and releasing: who sees the magic sees the rest.
    table.word(0).pointee.store(magic, ordering: .releasing)
    return table
  }

  /// - Throws: `Failure` `internalError` for a file that is no table of this format.
  package static func opened(at path: String) throws -> SlotTable {
    let file = try MappedFile(opening: path, writable: true)
    let bytes = file.bytes
    let refusal = Failure(.internalError, "\(path) is not a table of executor slots")
    guard bytes.count >= headerByteCount, let start = bytes.baseAddress else { throw refusal }
    let found = UnsafeMutableRawPointer(mutating: start)
      .assumingMemoryBound(to: Atomic<UInt64>.self).pointee.load(ordering: .acquiring)
    let count = bytes.load(fromByteOffset: 16, as: UInt64.self)
    guard found == magic, bytes.load(fromByteOffset: 8, as: UInt64.self) == formatVersion,
      count == UInt64((bytes.count - headerByteCount) / ExecutorSlot.byteCount)
    else { throw refusal }
    return SlotTable(file, count: Int(count))
  }

  /// Valid while the table lives.
  package subscript(number: Int) -> ExecutorSlot {
    precondition(number >= 0 && number < count, "an executor number of this node")
    return ExecutorSlot(start + Self.headerByteCount + number * ExecutorSlot.byteCount)
  }

  /// Whether the agent looks at the slots by itself from time to time. An executor that begins a call
  /// while it does not tells it so.
  package var isWatched: Bool {
    get { word(64).pointee.load(ordering: .sequentiallyConsistent) != 0 }
    nonmutating set {
      word(64).pointee.store(newValue ? 1 : 0, ordering: .sequentiallyConsistent)
    }
  }

  /// By an executor that begins a call.
  ///
  /// - Returns: true for the one that has to wake the agent.
  package func claimWakeUp() -> Bool {
    guard word(64).pointee.load(ordering: .sequentiallyConsistent) == 0 else { return false }
    return word(64).pointee.compareExchange(
      expected: 0, desired: 1, ordering: .sequentiallyConsistent
    ).exchanged
  }

  private func word(_ offset: Int) -> UnsafeMutablePointer<Atomic<UInt64>> {
    (start + offset).assumingMemoryBound(to: Atomic<UInt64>.self)
  }
}
