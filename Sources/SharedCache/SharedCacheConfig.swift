import ClusterModel

/// Sizes of one node's shared cache.
package struct SharedCacheConfig: Equatable, Sendable {
  /// Reserved for small values; halved down to `mapBytesMin` where shared memory has less.
  package var mapBytes: Int
  /// Below this the cache is not created (`CacheError.Code.noSpace`).
  package var mapBytesMin: Int
  /// Processes that read at one time; the next is refused (`tooManyReaders`).
  package var readersMax: Int
  /// A larger payload lives in a file of its own.
  package var inlineBytesMax: Int
  /// Bytes of the array by which readers tell the writer what they used; a power of two. Keys that
  /// share a byte are kept together.
  package var referenceSlots: Int

  package init(
    mapBytes: Int = 128 << 20, mapBytesMin: Int = 4 << 20, readersMax: Int = 512,
    inlineBytesMax: Int = Limits.inlineCacheBytesMax, referenceSlots: Int = 1 << 16
  ) {
    precondition(mapBytesMin >= 1 << 20 && mapBytes >= mapBytesMin, "a map holds at least 1 MiB")
    precondition(referenceSlots.nonzeroBitCount == 1, "a slot is found by masking the hash")
    precondition(readersMax > 0, "somebody reads the cache")
    precondition(
      inlineBytesMax > 0 && inlineBytesMax <= mapBytesMin / 4, "the map holds several values")
    self.mapBytes = mapBytes
    self.mapBytesMin = mapBytesMin
    self.readersMax = readersMax
    self.inlineBytesMax = inlineBytesMax
    self.referenceSlots = referenceSlots
  }
}

/// Where the parts of a cache lie in its folder.
enum CacheFolder {
  static func control(in folder: String) -> String { "\(folder)/control" }
  static func values(in folder: String, generation: UInt64) -> String {
    "\(folder)/values-\(generation)"
  }
  /// LMDB's choice of name.
  static func lock(in folder: String, generation: UInt64) -> String {
    values(in: folder, generation: generation) + "-lock"
  }
  static func largeValue(_ number: UInt64, in folder: String) -> String {
    "\(folder)/large-\(number)"
  }
}
