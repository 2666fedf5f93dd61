import ArgumentParser
import ClusterModel
import DevCluster
import Glibc
import LocalCluster
import Platform

/// The daemon. In this version it has one form: a whole cluster in one process.
@main
struct CloudburstDaemon: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cloudburstd",
    abstract: "The processes of a Cloudburst cluster.",
    version: PlatformVersion.text,
    subcommands: [DevCommand.self])
}

struct DevCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "dev",
    abstract: "Storage, scheduler, cache and supervisor in one process; executors beside it.",
    discussion: """
      Listens on 127.0.0.1 only. Says "ready" on standard output once calls can run, logs to standard
      error (level from $CLOUDBURST_LOG), and ends in order on SIGTERM or SIGINT.

      Example:
        cloudburstd dev --port 7700 --data .cloudburst --executors 2
      """)

  @Option(help: "The port of the cluster's endpoint.") var port: UInt16 = 7700
  @Flag(help: "Keep data in memory only.") var memory = false
  @Option(help: "The folder that keeps the data.") var data = ".cloudburst"
  @Option(help: "How many executor processes.") var executors = 2

  func validate() throws {
    guard (1...256).contains(executors) else { throw ValidationError("--executors is 1 to 256") }
    guard port > 0 else { throw ValidationError("--port is 1 to 65535") }
  }

  func run() throws {
    // Before any other thread starts, so that all of them leave the signals to this one.
    let signals = try Signals()
    Signals.ignoreBrokenPipes()
    do {
      try serve(signals)
    } catch let failure as Failure {
      report(failure)
      throw ExitCode(failure.code.exitCode)
    }
  }

  private func serve(_ signals: borrowing Signals) throws {
    var configuration = DevConfiguration(
      port: port, dataFolder: memory ? nil : try absolute(data), executors: executors,
      executorProgram: Self.programFolder + "/cloudburst-executor")
    configuration.environment = ExecutorEnvironment.lines()
    let banner = Self.banner(configuration)
    let cluster = try DevCluster.start(configuration) {
      print(banner)
      print(ReadyLine.text)
      fflush(nil)
    }
    cluster.waitUntilToldToStop(by: signals)
    cluster.stop()
    if let failure = cluster.failure { throw failure }
  }

  private func report(_ failure: Failure) {
    var text = "error: \(failure.code.name): \(failure.message)\n"
    if !failure.hint.isEmpty { text += "  try:      \(failure.hint)\n" }
    let bytes = Array(text.utf8)
    _ = write(2, bytes, bytes.count)
  }

  private static func banner(_ configuration: DevConfiguration) -> String {
    """
    endpoint   tcp://127.0.0.1:\(configuration.port)
    data       \(configuration.dataFolder.map { "\($0) (kept)" } ?? "in memory (gone at stop)")
    executors  \(configuration.executors)
    """
  }

  private func absolute(_ path: String) throws -> String {
    try Files.createFolders(path)
    guard let real = Files.realPath(path) else {
      throw Failure(.storageFailed, "the data folder \(path) cannot be made")
    }
    return real
  }

  private static var programFolder: String {
    let program = Files.realPath("/proc/self/exe") ?? "/"
    return String(program[..<(program.lastIndex(of: "/") ?? program.startIndex)])
  }
}
