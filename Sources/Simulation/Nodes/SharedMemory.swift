import ClusterModel
import WireProtocol

/// A node's shared cache: written by its agent, read by its executors, gone with the agent.
final class SharedMemory {
  private var records: [Key: Record] = [:]
  /// The control page's word: all writes up to it are acknowledged.
  var acknowledged: UInt64 = 0

  subscript(key: Key) -> Record? {
    get { records[key] }
    set { records[key] = newValue }
  }

  func removeAll() { records = [:] }

  var keys: [Key] { records.keys.sorted() }
}
