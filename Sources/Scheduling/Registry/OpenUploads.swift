import ClusterModel

/// Uploads that have begun: what a chunk is checked against before it reaches the store.
struct OpenUploads {
  struct Upload {
    let byteCount: UInt64
    var lastUse: UInt64
    let client: Incarnation
  }

  /// Between the first request of `uploadBegin` and its answer.
  struct Beginning {
    let byteCount: UInt64
    var present: [UInt32] = []
  }

  private(set) var open: [ContentDigest: Upload] = [:]
  var beginning: [StoreRequests.UploadKey: Beginning] = [:]
  /// Chunks on their way into the store.
  var bytesInFlight = 0

  static func chunkCount(of byteCount: UInt64) -> UInt32 {
    UInt32((byteCount + UInt64(Limits.chunkBytesMax) - 1) / UInt64(Limits.chunkBytesMax))
  }

  static func chunkSize(_ number: UInt32, of byteCount: UInt64) -> Int {
    let start = UInt64(number) * UInt64(Limits.chunkBytesMax)
    return Int(min(UInt64(Limits.chunkBytesMax), byteCount - min(byteCount, start)))
  }

  /// At the limit the one that was quiet longest is forgotten; its chunks stay in the store, and
  /// beginning it again finds them.
  mutating func open(
    _ digest: ContentDigest, byteCount: UInt64, for client: Incarnation, at time: UInt64, max: Int
  ) {
    if open[digest] == nil, open.count >= max,
      let quietest = open.min(by: { ($0.value.lastUse, $0.key) < ($1.value.lastUse, $1.key) })
    {
      open[quietest.key] = nil
    }
    open[digest] = Upload(byteCount: byteCount, lastUse: time, client: client)
  }

  mutating func use(_ digest: ContentDigest, at time: UInt64) -> Upload? {
    open[digest]?.lastUse = time
    return open[digest]
  }

  mutating func close(_ digest: ContentDigest) { open[digest] = nil }

  mutating func forget(_ client: Incarnation) {
    open = open.filter { $0.value.client != client }
    beginning = beginning.filter { $0.key.asker.client != client }
  }
}
