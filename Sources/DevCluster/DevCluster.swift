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
    try takeOver(folder)
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
      throw Failure(starting: error, port: configuration.port)
    }
  }

  /// Refuses where a cluster runs at this port; clears what a killed one left behind.
  private static func takeOver(_ folder: RunFolder) throws {
    guard let file = RunFile.read(from: folder) else { return }
    // A detaching `cbctl` makes the folder before us, but never the run file.
    guard !file.isAlive else {
      throw Failure(
        .portInUse, "a cluster runs at \(file.endpoint) already (process \(file.processID))",
        hint: "cbctl dev stop, or choose another --port")
    }
    removeTree(file.sharedMemoryFolder)
    removeTree(folder.bundleFolder)
    _ = try? Files.remove(folder.runFile)
    for name in (try? Files.names(in: folder.path)) ?? [] where name.hasSuffix(".ipc") {
      _ = try? Files.remove("\(folder.path)/\(name)")
    }
  }

  /// Sleeps until a signal asks for the end, a client does, or a loop has failed.
  package func waitUntilToldToStop(by signals: borrowing Signals) {
    while true {
      var items = [
        pollfd(fd: signals.raw, events: Int16(POLLIN), revents: 0),
        pollfd(fd: ended.descriptor, events: Int16(POLLIN), revents: 0),
      ]
      guard poll(&items, 2, -1) > 0 else { continue }
      if items[1].revents != 0 { return }
      // A hang-up is the terminal's, or an operator's wish to reread files: there are none yet.
      if let signal = try? signals.next(), signal != SIGHUP { return }
    }
  }

  /// Ends in order: calls first, then executors, then the cache's unflushed writes, then the log.
  package func stop() {
    parts.stop()
    removeTree(sharedMemoryFolder)
    folder.remove()
  }

  /// What ended a loop against its will; nil as a rule.
  package var failure: Failure? { ended.failure }
}

/// Tells the main thread that the cluster is to end, and why.
package final class EndSignal: Sendable {
  private let event: EventFD
  private let reason = Locked<Failure?>(nil)

  init() throws(PlatformError) { event = try EventFD() }

  var descriptor: Int32 { event.raw }
  var failure: Failure? { reason.withLock { $0 } }

  /// A client asked for it.
  func request() { event.signal() }

  /// A loop ended; without an error only because it was told to.
  func loopEnded(_ name: String, _ error: (any Error)?) {
    guard let error else { return }
    let failure =
      (error as? Failure) ?? Failure(.internalError, "the \(name) loop failed: \(error)")
    reason.withLock { $0 = $0 ?? failure }
    event.signal()
  }
}

extension Failure {
  fileprivate init(starting error: any Error, port: UInt16) {
    switch error {
    case let failure as Failure: self = failure
    case let error as ZeroMQError where error.code == .addressInUse:
      self.init(
        .portInUse, "another program listens on 127.0.0.1:\(port)",
        hint: "choose another --port")
    case let error as PlatformError where error.code == ENOSPC:
      self.init(.storageFailed, "no room: \(error)")
    default: self.init(.internalError, "the cluster could not start: \(error)")
    }
  }
}
