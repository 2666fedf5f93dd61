import Caching
import ClusterModel
import ControlProtocol
import Platform
import SharedCache

extension CacheLoop {
  /// This node's part of the status that the cache knows.
  func status() -> Cloudburst_Control_Status {
    let statistics = core.statistics
    var node = Cloudburst_Control_NodeStatus()
    node.name = configuration.node.name
    node.processID = UInt32(currentProcessID())
    node.cachedKeys = UInt64(statistics.keys)
    node.cachedBytes = UInt64(statistics.bytes)
    node.cacheBytesMax = UInt64(configuration.limits(forMapOf: writer.mapBytes).bytesMax)
    node.dirtyBytes = UInt64(statistics.dirtyBytes)
    node.sharedFolder = configuration.folder
    var status = Cloudburst_Control_Status()
    status.nodes = [node]
    status.cachedKeys = node.cachedKeys
    status.cachedBytes = node.cachedBytes
    status.earlyWrites = UInt64(statistics.earlyWrites)
    status.earlyWritesEver = UInt64(statistics.earlyWritesEver)
    status.unverifiedKeys = UInt64(core.unverifiedKeys(at: coreNow))
    if let trouble { status.troubles = [trouble] }
    return status
  }

  private var trouble: Cloudburst_Control_Trouble? {
    let hint = CacheError.roomHint
    guard writer.isEnabled else {
      return .init(
        .error, at: configuration.node.name,
        "the cache is off, shared memory has no room: every read asks the store", hint: hint)
    }
    let wanted = configuration.shared.mapBytes
    guard writer.mapBytes < wanted else { return nil }
    return .init(
      .warning, at: configuration.node.name,
      "the cache has \(writer.mapBytes >> 20) MiB of shared memory instead of \(wanted >> 20) MiB",
      hint: hint)
  }
}
