import PluginHost

/// What a set-up finds in the spare process that proves a bundle: its own failure, its log on standard
/// output, and no cluster.
final class SetUpServices: HostServices {
  /// Of the last set-up that failed.
  private(set) var reason = "it gave no reason"

  func result(_ call: CallHandle, _ value: BorrowedValue) throws(HostRefusal) {}

  func fail(_ call: CallHandle, code: String, message: String) throws(HostRefusal) {
    reason = message
  }

  func complete(_ call: CallHandle) throws(HostRefusal) { throw Self.noCluster }
  func startRead(_ call: CallHandle, key: BorrowedBytes, token: UInt64) throws(HostRefusal) {
    throw Self.noCluster
  }
  func readBlocking(
    _ call: CallHandle, key: BorrowedBytes
  ) throws(HostRefusal) -> StoredView? {
    throw Self.noCluster
  }
  func readAtHand(_ call: CallHandle, key: BorrowedBytes) throws(HostRefusal) -> ReadOutcome {
    throw Self.noCluster
  }
  func put(_ call: CallHandle, key: BorrowedBytes, _ value: BorrowedValue) throws(HostRefusal) {
    throw Self.noCluster
  }
  func remove(_ call: CallHandle, key: BorrowedBytes) throws(HostRefusal) { throw Self.noCluster }
  func add(_ call: CallHandle, key: BorrowedBytes, _ amount: Int64) throws(HostRefusal) {
    throw Self.noCluster
  }
  func insert(
    _ call: CallHandle, key: BorrowedBytes, _ element: BorrowedValue
  ) throws(HostRefusal) {
    throw Self.noCluster
  }

  /// A spare process's log goes nowhere; a set-up that logs is none the worse for it.
  func log(_ call: CallHandle, level: Int, message: String) throws(HostRefusal) {}

  func remainingTime(_ call: CallHandle) throws(HostRefusal) -> Duration? { nil }

  private static var noCluster: HostRefusal {
    HostRefusal(.unsupported, "a set-up sees no keys: a new version is proven without a cluster")
  }
}

/// A set-up runs to its end, or fails: there is no loop that would run a turn later.
struct NoTurns: TurnPoster {
  func post(_ turn: PostedTurn) -> Bool { false }
}
