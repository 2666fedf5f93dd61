package import ClusterModel
import Glibc
import LocalCluster
import NodeRuntime
package import Platform
import ZeroMQ

/// A whole cluster on this machine, loopback only: the loops of storage, scheduler, cache and
/// supervisor as threads of this process, executors as its children.
///
/// These are the loops of a cluster of many machines, over the same sockets; there is no second
/// implementation for local use.
package final class DevCluster: Sendable {
  private let configuration: DevConfiguration
  private let folder: RunFolder
  private let parts: DevParts
  private let ended: EndSignal
  private let sharedMemoryFolder: String

  private init(
    _ configuration: DevConfiguration, folder: RunFolder, parts: DevParts, ended: EndSignal,
    sharedMemoryFolder: String
  ) {
    self.configuration = configuration
    self.folder = folder
    self.parts = parts
    self.ended = ended
    self.sharedMemoryFolder = sharedMemoryFolder
  }

  /// Starts everything; what failed is told as it is, with nothing left running.
  ///
  /// - Parameter onReady: called once, on a thread of the cluster, when calls can run.
  /// - Throws: `Failure`: `portInUse`, `dataLocked`, `dataFormat`, `storageFailed`, `notAllowed`.
  package static func start(
    _ configuration: DevConfiguration, onReady: @escaping @Sendable () -> Void
  ) throws -> DevCluster {
    let folder = RunFolder(port: configuration.port)
    try folder.takeOver()
    var random = SystemRandomNumberGenerator()
    let incarnation = Incarnation.drawn(atMilliseconds: WallClock.milliseconds, using: &random)
    let shared = configuration.sharedMemoryFolder(incarnation)
    let ended = try EndSignal()
    do {
      try folder.create()
      let plan = try DevPlan(configuration, folder, incarnation)
      let file = RunFile(
        endpoint: plan.endpoint, dataFolder: configuration.dataFolder,
        sharedMemoryFolder: shared, executors: configuration.executors,
        version: PlatformVersion.text)
      // Once the port is ours, and before anybody can be told that calls run.
      let parts = try DevParts(
        plan, ended: ended, onBound: { try file.write(to: folder) }, onReady: onReady)
      return DevCluster(
        configuration, folder: folder, parts: parts, ended: ended, sharedMemoryFolder: shared)
    } catch {
      removeTree(shared)
      // Where another cluster won the port, the folder is that one's.
      if RunFile.read(from: folder)?.isAlive != true { folder.remove() }
      throw Failure(starting: error, at: ["127.0.0.1:\(configuration.port)"])
    }
  }

  /// Sleeps until a signal asks for the end, a client does, or a loop has failed.
  package func waitUntilToldToStop(by signals: borrowing Signals) { ended.wait(with: signals) }

  /// Ends in order: calls first, then executors, then the cache's unflushed writes, then the log.
  package func stop() {
    parts.stop()
    removeTree(sharedMemoryFolder)
    folder.remove()
  }

  /// What ended a loop against its will; nil as a rule.
  package var failure: Failure? { ended.failure }
}
