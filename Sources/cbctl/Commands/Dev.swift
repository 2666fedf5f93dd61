import ArgumentParser
import CloudburstClient
import CloudburstValues
import ClusterModel
import Glibc
import LocalCluster
import Platform

struct Dev: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Run a whole cluster on this machine, for this machine only.",
    discussion: """
      Examples:
        cbctl dev                       in this terminal, until Ctrl-C
        cbctl dev --detach              in the background; ends with: cbctl dev stop
        cbctl dev --nodes 2             two compute nodes, every part a process of its own
        cbctl dev --storage-nodes 3     keys on three storage nodes, each on two of them
        cbctl dev --port 7800 --memory  a second one, which forgets everything at its end
      """,
    subcommands: [DevRun.self, DevStop.self, DevList.self], defaultSubcommand: DevRun.self)
}

struct DevRun: LocalCommand {
  static let configuration = CommandConfiguration(
    commandName: "run",
    abstract: "Start a cluster (the default).",
    discussion: """
      Data is kept in ./.cloudburst unless --data or --memory says otherwise.

      Examples:
        cbctl dev --detach
        cbctl dev --data /var/lib/mine --executors 4
      """)

  @Option(help: "The port of the cluster's endpoint on 127.0.0.1.") var port: UInt16 = 7700
  @Flag(help: "Keep data in memory only.") var memory = false
  @Option(help: "The folder that keeps the data. Default: ./.cloudburst.") var data: String?
  @Option(
    help: "How many compute nodes; from 2 on, every part of the cluster is a process of its own.")
  var nodes = 1
  @Option(help: "How many executor processes on each node.") var executors = 2
  @Option(
    help: """
      How many storage nodes; from 2 on there is a router, and every part is a process of its own. \
      Default: as many as --data knows, or 1.
      """)
  var storageNodes: Int?
  @Option(help: "Shards of each storage node. Default: as many as --data knows, or 1.")
  var shards: Int?
  @Option(help: "Storage nodes that hold each key, as far as there are so many.") var copies = 2
  @Option(help: "Seconds for which what was deleted is remembered, 4 or more.")
  var tombstoneGrace = 3600
  @Option(
    help: """
      MiB of keys and records that each shard keeps in memory; what is used least stays on the disk \
      only. With --memory, writes beyond it are refused.
      """)
  var memoryBudget = 4096
  @Flag(help: "Return once the cluster is ready; it goes on in the background.") var detach = false
  @Flag(help: "Also serve clients that speak Anna's own protocol (Python, C++, anna-cli).")
  var annaCompat = false
  @Option(help: "The first of the four ports that Anna's clients ask; they know only the default.")
  var annaPort: UInt16 = 6450
  @OptionGroup var local: LocalOptions

  var format: OutputFormat { local.output }

  func validate() throws {
    guard !(memory && data != nil) else {
      throw ValidationError("--memory and --data exclude each other")
    }
    guard (1...16).contains(nodes) else { throw ValidationError("--nodes is 1 to 16") }
    guard (1...256).contains(executors) else {
      throw ValidationError("--executors is 1 to 256")
    }
    guard (1...16).contains(storageNodes ?? 1) else {
      throw ValidationError("--storage-nodes is 1 to 16")
    }
    guard (1...16).contains(shards ?? 1) else { throw ValidationError("--shards is 1 to 16") }
    guard (1...16).contains(copies) else { throw ValidationError("--copies is 1 to 16") }
    guard tombstoneGrace >= 4 else { throw ValidationError("--tombstone-grace is 4 or more") }
    guard memoryBudget >= 1 else { throw ValidationError("--memory-budget is 1 MiB or more") }
    guard port > 0 else { throw ValidationError("--port is 1 to 65535") }
  }

  func runLocally() async throws -> Output {
    let arguments = daemonArguments()
    noteSmallSharedMemory()
    guard detach else { throw replaceProcess(arguments) }
    let folder = RunFolder(port: port)
    if let file = RunFile.read(from: folder), file.isAlive { throw Self.alreadyRuns(file) }
    try folder.create()
    var command = ChildProcess.Command(
      Self.daemon, arguments, environment: Subprocess.environment())
    command.signalOnParentDeath = nil
    command.leadsProcessGroup = true
    let log = try FileDescriptor(
      opening: folder.logFile, flags: O_RDWR | O_CREAT | O_TRUNC, mode: 0o600)
    let output = try Pipe()
    command.output = output.rawWriter
    command.errors = log.raw
    var child = try ChildProcess(command)
    try waitUntilReady(&child, output.reader(), folder, log)
    child.letRun()
    guard let file = RunFile.read(from: folder) else {
      throw Failure(.internalError, "the cluster is ready but left no run file")
    }
    return Self.banner(file)
  }

  /// Said before the start: afterwards the cache has taken its part.
  private func noteSmallSharedMemory() {
    let check = Machine.sharedMemory()
    guard check.state == .warning else { return }
    StandardError.write("warning: shared memory: \(check.found)\n  try:      \(check.hint)\n")
  }

  private func daemonArguments() -> [String] {
    var arguments = [
      "dev", "--port", "\(port)", "--executors", "\(executors)", "--nodes", "\(nodes)",
      "--copies", "\(copies)", "--tombstone-grace", "\(tombstoneGrace)",
      "--memory-budget", "\(memoryBudget)",
    ]
    if let storageNodes { arguments += ["--storage-nodes", "\(storageNodes)"] }
    if let shards { arguments += ["--shards", "\(shards)"] }
    if annaCompat { arguments += ["--anna-compat", "--anna-port", "\(annaPort)"] }
    if memory {
      arguments.append("--memory")
    } else {
      arguments += ["--data", data ?? ".cloudburst"]
    }
    return arguments
  }

  /// The daemon says `ready` on its standard output once calls can run; its end closes the pipe.
  private func waitUntilReady(
    _ child: inout ChildProcess, _ output: borrowing FileDescriptor, _ folder: RunFolder,
    _ log: borrowing FileDescriptor
  ) throws {
    let limit = local.timeout?.duration ?? .seconds(20)
    let deadline = MonotonicClock.now + limit.wholeNanoseconds
    switch ReadyLine.wait(on: output, deadline: deadline) {
    case .found: return
    case .ended: throw startFailure(try child.waitUntilEnded(), log)
    case .late:
      child.signal(SIGTERM)
      throw Failure(
        .timedOut, "the cluster was not ready within \(limit)", hint: "see \(folder.logFile)")
    }
  }

  /// The daemon's own words, in the shape that it prints: `error: CODE: message`.
  private func startFailure(
    _ status: ChildProcess.ExitStatus, _ log: borrowing FileDescriptor
  ) -> Failure {
    // By its descriptor: a daemon that could not start has removed its folder, log and all.
    let bytes = (try? Files.contents(of: "/proc/self/fd/\(log.raw)", bytesMax: 1 << 20)) ?? []
    let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
    for line in lines where line.hasPrefix("error: ") {
      let parts = line.dropFirst(7).split(separator: ": ", maxSplits: 1)
      if parts.count == 2, let code = ErrorCode(name: String(parts[0])) {
        let hint = lines.first { $0.hasPrefix("  try:") }?.dropFirst(6)
        return Failure(
          code, String(parts[1]),
          hint: String(hint?.drop { $0 == " " } ?? ""))
      }
    }
    return Failure(
      .unavailable, "the cluster ended while it started (\(status))",
      hint: "cbctl dev without --detach shows what it says")
  }

  /// In the foreground this process becomes the cluster's, so that signals reach it.
  private func replaceProcess(_ arguments: [String]) -> Failure {
    var words: [UnsafeMutablePointer<CChar>?] = ([Self.daemon] + arguments).map { strdup($0) }
    words.append(nil)
    execv(Self.daemon, words)
    return Failure(
      .fileNotFound, "\(Self.daemon) cannot be started: \(String(cString: strerror(errno)))",
      hint: "build it: swift build --product cloudburstd")
  }

  static var daemon: String { ProgramFolder.path + "/cloudburstd" }

  static func alreadyRuns(_ file: RunFile) -> Failure {
    Failure(
      .portInUse, "a cluster runs at \(file.endpoint) already (process \(file.processID))",
      hint: "cbctl dev stop, or choose another --port")
  }

  static func banner(_ file: RunFile) -> Output {
    let data = file.dataFolder.map { "\($0) (kept)" } ?? "in memory (gone at stop)"
    let executors =
      file.nodes == 1
      ? "\(file.executors)" : "\(file.executors) on each of \(file.nodes) nodes"
    return Output(
      json: .object([
        "endpoint": .string(file.endpoint), "dataFolder": file.dataFolder.map(AnyValue.string),
        "processID": .integer(Int64(file.processID)),
        "nodes": .integer(Int64(file.nodes)), "executors": .integer(Int64(file.executors)),
      ]),
      text: table([
        ["endpoint", file.endpoint], ["data", data], ["executors", executors],
        [
          "stop",
          "cbctl dev stop\(file.endpoint == CloudburstClient.defaultEndpoint ? "" : " --endpoint \(file.endpoint)")",
        ],
      ]))
  }
}

struct DevStop: LocalCommand {
  static let configuration = CommandConfiguration(
    commandName: "stop",
    abstract: "Stop a cluster of this machine: calls in flight finish, writes are synced.",
    discussion: """
      Examples:
        cbctl dev stop
        cbctl dev stop --endpoint tcp://127.0.0.1:7800
        cbctl dev stop --all
      """)

  @OptionGroup var cluster: ClusterOptions
  @Flag(help: "Every cluster that this user runs on this machine.") var all = false

  var format: OutputFormat { cluster.output }

  func runLocally() async throws -> Output {
    let folders = all ? RunFolder.all() : [RunFolder(port: try port())]
    var stopped: [String] = []
    for folder in folders {
      guard let file = RunFile.read(from: folder) else { continue }
      if file.isAlive {
        try stop(file)
        stopped.append(file.endpoint)
      } else {
        // Left behind by a process that was killed.
        removeTree(file.sharedMemoryFolder)
        folder.remove()
      }
    }
    guard all || !stopped.isEmpty else {
      throw Failure(
        .clusterNotFound, "no cluster of this machine runs at \(cluster.resolvedEndpoint)",
        hint: "cbctl dev list")
    }
    return Output(
      json: .map(["stopped": .array(stopped.map(AnyValue.string))]),
      text: stopped.map { "stopped \($0)" }.joined(separator: "\n"))
  }

  private func port() throws -> UInt16 {
    let endpoint = cluster.resolvedEndpoint
    guard let text = endpoint.split(separator: ":").last, let port = UInt16(text) else {
      throw Failure(.usage, "\(endpoint) is not an endpoint such as tcp://127.0.0.1:7700")
    }
    return port
  }

  /// Asks by signal and waits for the process's end; a cluster that hangs is killed.
  private func stop(_ file: RunFile) throws {
    guard let process = OtherProcess(id: file.processID), file.isAlive else { return }
    process.signal(SIGTERM)
    let limit = cluster.timeout?.duration ?? .seconds(15)
    guard !process.waitUntilEnded(deadline: MonotonicClock.now + limit.wholeNanoseconds) else {
      return
    }
    process.signal(SIGKILL)
    throw Failure(
      .timedOut, "process \(file.processID) did not stop in time and was killed",
      hint: "writes at level durable are safe; others may be lost")
  }
}

struct DevList: LocalCommand {
  static let configuration = CommandConfiguration(
    commandName: "list",
    abstract: "List the clusters that this user runs on this machine.",
    discussion: """
      Example:
        cbctl dev list
      """)

  @OptionGroup var local: LocalOptions

  var format: OutputFormat { local.output }

  func runLocally() async throws -> Output {
    let files = RunFolder.all().compactMap { RunFile.read(from: $0) }
    let rows = files.map { file in
      [
        file.endpoint, file.isAlive ? "running" : "stale", "pid \(file.processID)",
        file.nodes == 1 ? "1 node" : "\(file.nodes) nodes", file.dataFolder ?? "memory",
      ]
    }
    return Output(
      json: .array(
        files.map { file in
          .object([
            "endpoint": .string(file.endpoint), "running": .bool(file.isAlive),
            "processID": .integer(Int64(file.processID)), "nodes": .integer(Int64(file.nodes)),
            "dataFolder": file.dataFolder.map(AnyValue.string),
          ])
        }), text: table(rows))
  }
}

/// Where this very program lies, and its siblings with it.
enum ProgramFolder {
  static var path: String {
    var buffer = [CChar](repeating: 0, count: 4096)
    let count = readlink("/proc/self/exe", &buffer, buffer.count - 1)
    guard count > 0 else { return "." }
    let program = String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    return String(program[..<(program.lastIndex(of: "/") ?? program.startIndex)])
  }
}
