import CloudburstValues
import Platform

/// What a running local cluster leaves in its run folder, for tools that look for it. A cluster of
/// several processes writes it anew whenever one of them has begun another life.
package struct RunFile: Codable, Equatable, Sendable, Value {
  package var endpoint: String
  package var processID: Int32
  /// The process's start in clock ticks since boot: with it, a reused process id is recognised.
  package var startTicks: UInt64
  /// Nil: memory only.
  package var dataFolder: String?
  package var sharedMemoryFolder: String
  /// Of each node.
  package var executors: Int
  package var version: String
  /// The processes; nil where the one that wrote the file is all there is beside the executors.
  package var parts: [Part]?

  package struct Part: Codable, Equatable, Sendable, Value {
    /// `router`, `scheduler`, or the node's name: `storage0`, `node0`.
    package var name: String
    /// Zero while it is down.
    package var processID: Int32
    /// Lives before this one.
    package var restarts: Int

    package init(name: String, processID: Int32, restarts: Int) {
      self.name = name
      self.processID = processID
      self.restarts = restarts
    }
  }

  /// Compute nodes.
  package var nodes: Int { max(1, count(named: "node")) }
  package var storageNodes: Int { max(1, count(named: "storage")) }
  /// Whether storage nodes can come and go.
  package var hasRouter: Bool { count(named: "router") > 0 }

  private func count(named prefix: String) -> Int {
    parts?.count { $0.name.hasPrefix(prefix) } ?? 0
  }

  package init(
    endpoint: String, dataFolder: String?, sharedMemoryFolder: String, executors: Int,
    version: String, parts: [Part]? = nil
  ) {
    self.parts = parts
    self.endpoint = endpoint
    processID = RunningProcess.own
    startTicks = RunningProcess.startTicks(of: processID) ?? 0
    self.dataFolder = dataFolder
    self.sharedMemoryFolder = sharedMemoryFolder
    self.executors = executors
    self.version = version
  }

  /// Whether the process that wrote the file is still there.
  package var isAlive: Bool {
    RunningProcess.startTicks(of: processID) == startTicks
  }

  package func write(to folder: RunFolder) throws {
    let json = try EncodedValue(self).converted(to: .json).bytes
    try Files.writeAtomically(json, to: folder.runFile)
  }

  /// - Returns: nil where there is no such file, or none that this version can read.
  package static func read(from folder: RunFolder) -> RunFile? {
    guard let bytes = try? Files.contents(of: folder.runFile, bytesMax: 64 << 10) else {
      return nil
    }
    return try? EncodedValue(encoding: .json, bytes: bytes).decode()
  }
}
