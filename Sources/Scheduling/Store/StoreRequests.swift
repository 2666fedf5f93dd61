import ClusterModel
import WireProtocol

/// Requests to the store that are not answered yet. ZeroMQ may lose either way, so each is sent
/// again until its answer comes; all of them may be carried out more than once without harm,
/// because what they write is stamped once.
struct StoreRequests {
  /// Whom an answer is for.
  enum Purpose: Equatable {
    case intent(flight: Int)
    case reference(flight: Int)
    case result(flight: Int)
    case future(flight: Int)
    /// Nobody waits for it.
    case cleanUp
    case startUp
    case intentPage
    case registryChange
    case uploadBegin(UploadKey)
    case uploadChunk(UploadKey, number: UInt32, byteCount: Int)
  }

  /// The upload and the request that an answer is for.
  struct UploadKey: Hashable {
    let digest: ContentDigest
    let asker: Flight.Asker

    func hash(into hasher: inout Hasher) {
      hasher.combine(digest)
      hasher.combine(asker.number)
    }
  }

  struct Pending {
    var request: KeyRequest
    var purpose: Purpose
  }

  private var pending: [UInt64: Pending] = [:]
  /// In the order of sending, hence of resending; the answered ones are passed over.
  private var sent: [(number: UInt64, resendAt: UInt64)] = []
  private var firstSent = 0
  private var nextNumber: UInt64 = 1

  var count: Int { pending.count }

  mutating func add(_ request: KeyRequest, for purpose: Purpose, resendAt: UInt64) -> UInt64 {
    let number = nextNumber
    nextNumber += 1
    pending[number] = Pending(request: request, purpose: purpose)
    sent.append((number, resendAt))
    return number
  }

  /// The answer has come, or nobody waits for it any more.
  mutating func remove(_ number: UInt64) -> Pending? {
    pending.removeValue(forKey: number)
  }

  /// Nobody waits for answers of this purpose any more.
  mutating func removeAll(for purpose: Purpose) {
    for (number, entry) in pending where entry.purpose == purpose { pending[number] = nil }
  }

  /// Puts back what was answered with a failure that passes; it is sent again at that time.
  mutating func putBack(_ entry: Pending, number: UInt64, resendAt: UInt64) {
    pending[number] = entry
    sent.append((number, resendAt))
  }

  var earliestResend: UInt64? {
    mutating get {
      while firstSent < sent.count, pending[sent[firstSent].number] == nil { passFirst() }
      return firstSent < sent.count ? sent[firstSent].resendAt : nil
    }
  }

  /// One request that is due again, or nil.
  mutating func takeDue(at now: UInt64, resendAt: UInt64) -> (number: UInt64, request: KeyRequest)?
  {
    guard let earliest = earliestResend, earliest <= now else { return nil }
    let number = sent[firstSent].number
    passFirst()
    guard let entry = pending[number] else { return nil }
    sent.append((number, resendAt))
    return (number, entry.request)
  }

  /// All of them, oldest first: the connection is new.
  func all() -> [(number: UInt64, request: KeyRequest)] {
    pending.sorted { $0.key < $1.key }.map { ($0.key, $0.value.request) }
  }

  private mutating func passFirst() {
    firstSent += 1
    guard firstSent * 2 > sent.count else { return }
    sent.removeFirst(firstSent)
    firstSent = 0
  }
}
