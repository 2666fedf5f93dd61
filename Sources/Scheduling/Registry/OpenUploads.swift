import ClusterModel

/// Uploads that have begun: what a chunk is checked against before it reaches the store.
struct OpenUploads {
  struct Upload {
    let byteCount: UInt64
    var lastUse: UInt64
    /// No bundle of this digest was ever registered: its chunks are of no use but to this upload.
    let isNew: Bool
  }

  /// Between the first request of `uploadBegin` and its answer.
  struct Beginning {
    let byteCount: UInt64
    var present: [UInt32] = []
    var isNew = true
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

  /// - Returns: at the limit, the upload that was quiet longest and makes room.
  mutating func open(
    _ digest: ContentDigest, _ beginning: Beginning, at time: UInt64, max: Int
  ) -> Abandoned? {
    var abandoned: Abandoned?
    if open[digest] == nil, open.count >= max,
      let quietest = open.min(by: { ($0.value.lastUse, $0.key) < ($1.value.lastUse, $1.key) })
    {
      abandoned = abandon(quietest.key)
    }
    open[digest] = Upload(
      byteCount: beginning.byteCount, lastUse: time, isNew: beginning.isNew)
    return abandoned
  }

  /// An upload given up, and what is left of it in the store.
  struct Abandoned {
    let digest: ContentDigest
    /// Zero where the bytes are a registered bundle's.
    let chunks: UInt32
  }

  /// Those quiet since `time` or longer, in the order of their digests.
  mutating func abandonQuiet(since time: UInt64) -> [Abandoned] {
    open.filter { $0.value.lastUse <= time }.keys.sorted().compactMap { abandon($0) }
  }

  private mutating func abandon(_ digest: ContentDigest) -> Abandoned? {
    guard let upload = open.removeValue(forKey: digest) else { return nil }
    return Abandoned(
      digest: digest, chunks: upload.isNew ? Self.chunkCount(of: upload.byteCount) : 0)
  }

  /// Of the upload that was quiet longest.
  var earliestUse: UInt64? { open.values.lazy.map(\.lastUse).min() }

  mutating func use(_ digest: ContentDigest, at time: UInt64) -> Upload? {
    open[digest]?.lastUse = time
    return open[digest]
  }

  mutating func close(_ digest: ContentDigest) { open[digest] = nil }

  /// What the client had asked for; what it sent stays, for a while, for whoever goes on with it.
  mutating func forget(_ client: Incarnation) {
    beginning = beginning.filter { $0.key.asker.client != client }
  }
}
