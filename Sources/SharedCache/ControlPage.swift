import ClusterModel
import Platform
import Synchronization

/// The small mapped file through which the writer and the readers of a cache tell each other what
/// LMDB does not: which map is current, what is acknowledged, what is used.
///
/// Layout, native byte order (one machine), each changing number on a cache line of its own:
/// 0 magic, 8 format version, 16 writer incarnation, 24 count of reference slots; 64 current
/// generation, 0 for none; 128 acknowledged write sequence; 192 count of large values removed;
/// 4096 one reference byte a slot.
struct ControlPage: ~Copyable {
  private static let magic: UInt64 = 0x3165_6863_6163_6263  // "cbcache1"
  private static let formatVersion: UInt64 = 1
  private static let slotsOffset = 4096

  private let file: MappedFile
  private let start: UnsafeMutableRawPointer
  private let slotMask: UInt64

  private init(_ file: consuming MappedFile, slots: UInt64) {
    guard let start = file.mutableBytes.baseAddress else {
      preconditionFailure("a mapped file has an address")
    }
    self.start = start
    self.file = file
    slotMask = slots - 1
  }

  static func created(
    in folder: String, incarnation: Incarnation, slots: Int
  ) throws(CacheError) -> ControlPage {
    let path = CacheFolder.control(in: folder)
    let page: ControlPage
    do throws(PlatformError) {
      try Files.createFolders(folder)
      page = ControlPage(
        try MappedFile(creating: path, byteCount: slotsOffset + slots), slots: UInt64(slots))
    } catch {
      throw CacheError(error)
    }
    page.start.storeBytes(of: formatVersion, toByteOffset: 8, as: UInt64.self)
    page.start.storeBytes(of: incarnation.number, toByteOffset: 16, as: UInt64.self)
    page.start.storeBytes(of: UInt64(slots), toByteOffset: 24, as: UInt64.self)
    // Last and releasing: a reader that sees the magic sees the rest.
    page.word(0).pointee.store(magic, ordering: .releasing)
    return page
  }

  static func opened(in folder: String) throws(CacheError) -> ControlPage {
    let path = CacheFolder.control(in: folder)
    let file: MappedFile
    do {
      file = try MappedFile(opening: path, writable: true)
    } catch {
      throw CacheError(error)
    }
    let slots = try slotCount(of: file.bytes, path: path)
    return ControlPage(file, slots: slots)
  }

  /// Checks that the bytes are a control page of this format.
  private static func slotCount(
    of bytes: UnsafeRawBufferPointer, path: String
  ) throws(CacheError) -> UInt64 {
    func refusal(_ detail: String) -> CacheError {
      CacheError(.badFormat, call: "mmap", doing: "opening \(path)", detail: detail)
    }
    guard bytes.count > slotsOffset, let start = bytes.baseAddress else {
      throw refusal("too short for a control page")
    }
    let found = UnsafeMutableRawPointer(mutating: start)
      .assumingMemoryBound(to: Atomic<UInt64>.self).pointee.load(ordering: .acquiring)
    guard found == magic else { throw refusal("not a cache's control page") }
    let version = bytes.load(fromByteOffset: 8, as: UInt64.self)
    guard version == formatVersion else { throw refusal("format version \(version)") }
    let slots = bytes.load(fromByteOffset: 24, as: UInt64.self)
    guard slots.nonzeroBitCount == 1, slots == UInt64(bytes.count - slotsOffset) else {
      throw refusal("\(slots) reference slots do not fit the file")
    }
    return slots
  }

  var incarnation: Incarnation { Incarnation(start.load(fromByteOffset: 16, as: UInt64.self)) }
  var slotCount: Int { Int(slotMask) + 1 }

  /// Zero while there is no map to read.
  var generation: UInt64 {
    get { word(64).pointee.load(ordering: .acquiring) }
    nonmutating set { word(64).pointee.store(newValue, ordering: .releasing) }
  }

  var acknowledgedSequence: UInt64 {
    get { word(128).pointee.load(ordering: .acquiring) }
    nonmutating set { word(128).pointee.store(newValue, ordering: .releasing) }
  }

  var largeValuesRemoved: UInt64 { word(192).pointee.load(ordering: .acquiring) }

  func noteLargeValuesRemoved() { word(192).pointee.add(1, ordering: .releasing) }

  /// Tells the writer that a key with this hash was used. Writes only once between two sweeps, so
  /// that readers of a hot key do not pass its cache line around.
  func noteReference(hash: UInt64) {
    let slot = (start + Self.slotsOffset + Int(hash & slotMask))
      .assumingMemoryBound(to: Atomic<UInt8>.self)
    if slot.pointee.load(ordering: .relaxed) == 0 { slot.pointee.store(1, ordering: .relaxed) }
  }

  /// The slots used since the last call, which are cleared.
  func takeReferences() -> [UInt8] {
    var taken = [UInt8](repeating: 0, count: slotCount)
    for index in 0..<slotCount {
      let slot = (start + Self.slotsOffset + index).assumingMemoryBound(to: Atomic<UInt8>.self)
      guard slot.pointee.load(ordering: .relaxed) != 0 else { continue }
      slot.pointee.store(0, ordering: .relaxed)
      taken[index] = 1
    }
    return taken
  }

  private func word(_ offset: Int) -> UnsafeMutablePointer<Atomic<UInt64>> {
    (start + offset).assumingMemoryBound(to: Atomic<UInt64>.self)
  }
}
