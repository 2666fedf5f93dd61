import ArgumentParser
import ClusterModel
import Glibc
import Platform

/// The daemon: each part of a cluster as a process of its own, or a whole cluster for this machine.
@main
struct CloudburstDaemon: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cloudburstd",
    abstract: "The processes of a Cloudburst cluster.",
    discussion: """
      A cluster is one storage, one scheduler and any number of nodes, started in any order; each \
      dials the others until they are there. All take the same --cluster. On one machine, \
      "cloudburstd dev" (or "cbctl dev") starts them all.

      Each process says "ready" on standard output once it serves, logs to standard error (level \
      from $CLOUDBURST_LOG), and ends in order on SIGTERM or SIGINT.
      """,
    version: PlatformVersion.text,
    subcommands: [
      DevCommand.self, RouterCommand.self, StorageCommand.self, SchedulerCommand.self,
      NodeCommand.self,
    ])
}

/// Runs a daemon's life; a failure is told on standard error and by the exit code.
///
/// - Parameter descriptors: fewer, and it does not begin.
func serving(
  needing descriptors: Int, _ life: (borrowing Signals) throws -> Void
) throws {
  // Before any other thread starts, so that all of them leave the signals to this one.
  let signals = try Signals()
  Signals.ignoreBrokenPipes()
  Allocator.giveBackLargeBlocks()
  do {
    try checkDescriptors(descriptors)
    try life(signals)
  } catch let failure as Failure {
    report(failure)
    throw ExitCode(failure.code.exitCode)
  }
}

/// libzmq ends the process when descriptors run out at the wrong moment: better not to begin.
private func checkDescriptors(_ needed: Int) throws(Failure) {
  let limit = Descriptors.raiseLimit()
  guard limit < needed else { return }
  throw Failure(
    .unavailable,
    "this process may open \(limit) descriptors, and needs \(needed) before the first client",
    hint: "ulimit -n 4096 (in a container --ulimit nofile=4096)")
}

/// Says a line to whoever started this process.
func say(_ line: String) {
  print(line)
  fflush(nil)
}

private func report(_ failure: Failure) {
  // Where one of several processes has said it already.
  guard !failure.message.isEmpty else { return }
  var text = "error: \(failure.code.name): \(failure.message)\n"
  if !failure.hint.isEmpty { text += "  try:      \(failure.hint)\n" }
  let bytes = Array(text.utf8)
  _ = write(2, bytes, bytes.count)
}

/// Where this program lies, and its siblings with it.
enum Program {
  static let path = Files.realPath("/proc/self/exe") ?? "/"
  static let folder = String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)])
  static let executor = folder + "/cloudburst-executor"
}

/// Makes the folder where it is missing.
func absoluteFolder(_ path: String, for what: String) throws -> String {
  try Files.createFolders(path)
  guard let real = Files.realPath(path) else {
    throw Failure(.storageFailed, "the \(what) folder \(path) cannot be made")
  }
  return real
}
