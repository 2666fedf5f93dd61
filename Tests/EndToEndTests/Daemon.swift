import Foundation
import Synchronization
import Testing

/// A program that a test starts by hand and may kill; ends with the value.
final class Daemon: Sendable {
  private let process: Process
  private let files: Scratch
  private let ended = DispatchSemaphore(value: 0)
  private let output = Pipe()
  private let said = Mutex("")

  var processID: Int32 { process.processIdentifier }

  init(_ program: String, _ arguments: [String]) throws {
    files = try Scratch()
    process = Process()
    process.executableURL = URL(filePath: program)
    process.arguments = arguments
    process.standardInput = FileHandle.nullDevice
    _ = FileManager.default.createFile(atPath: files.path + "/err", contents: nil)
    process.standardOutput = output
    process.standardError = try FileHandle(forWritingTo: URL(filePath: files.path + "/err"))
    process.terminationHandler = { [ended] _ in ended.signal() }
    try process.run()
  }

  deinit {
    kill(SIGTERM)
    if process.isRunning, ended.wait(timeout: .now() + 10) == .timedOut { kill(SIGKILL) }
  }

  func kill(_ signal: Int32) {
    guard process.isRunning else { return }
    _ = Foundation.kill(process.processIdentifier, signal)
  }

  var errors: String {
    (try? String(contentsOfFile: files.path + "/err", encoding: .utf8)) ?? ""
  }

  /// Waits for a line on its standard output.
  func says(_ line: String, within limit: TimeInterval = 20) -> Bool {
    let deadline = Date(timeIntervalSinceNow: limit)
    let reader = output.fileHandleForReading
    while !said.withLock({ $0.split(separator: "\n").contains(Substring(line)) }) {
      var item = pollfd(fd: reader.fileDescriptor, events: Int16(POLLIN), revents: 0)
      guard poll(&item, 1, Int32(max(0, deadline.timeIntervalSinceNow * 1000))) > 0 else {
        return false
      }
      let data = reader.availableData
      guard !data.isEmpty else { return false }
      said.withLock { $0 += String(decoding: data, as: UTF8.self) }
    }
    return true
  }

  /// Waits for its end by itself.
  ///
  /// - Returns: its exit code; nil after the limit.
  func exitCode(within limit: TimeInterval = 20) -> Int32? {
    guard ended.wait(timeout: .now() + limit) == .success else { return nil }
    ended.signal()
    return process.terminationStatus
  }

  /// The command line of a running process, its program first.
  static func commandLine(of process: Int32) throws -> [String] {
    let bytes = try Data(contentsOf: URL(filePath: "/proc/\(process)/cmdline"))
    return bytes.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
  }
}

/// A cluster whose parts a test starts itself: nobody starts them again.
final class HandMadeCluster: Sendable {
  let scratch: Scratch
  let port = Workbench.freePort()
  private let parts = Mutex<[String: Daemon]>([:])

  var endpoint: String { "tcp://127.0.0.1:\(port)" }

  init() throws { scratch = try Scratch() }

  /// Calls first, the store last.
  deinit {
    for name in ["scheduler", "node0", "node1", "storage"] { parts.withLock { $0[name] = nil } }
  }

  @discardableResult func start(_ name: String) throws -> Daemon {
    let daemon = try Daemon(Workbench.programs + "/cloudburstd", arguments(of: name))
    parts.withLock { $0[name] = daemon }
    return daemon
  }

  subscript(name: String) -> Daemon? { parts.withLock { $0[name] } }

  func arguments(of name: String) -> [String] {
    let shard = "ipc://\(scratch.path)/shard.ipc"
    let back = "ipc://\(scratch.path)/back.ipc"
    let common = ["--cluster", "c0ffee"]
    switch name {
    case "storage":
      return ["storage"] + common + [
        "--listen", "tcp://127.0.0.1:*", "--listen", shard, "--memory",
      ]
    case "scheduler":
      return ["scheduler"] + common
        + ["--listen", endpoint, "--listen-nodes", back, "--storage", shard]
    default:
      return ["node"] + common + [
        "--name", name, "--executors", "1", "--scheduler", back, "--storage", shard,
        "--run-folder", "\(scratch.path)/\(name)", "--shm-folder", "\(scratch.path)/shm",
      ]
    }
  }
}
