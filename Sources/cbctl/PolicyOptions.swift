import ArgumentParser
import CloudburstClient

/// What a call may take and how often it is tried.
struct PolicyOptions: ParsableArguments {
  @Option(help: "How often to try where executors crash or are lost, 1 to 255; default 3.")
  var attempts: UInt8?

  @Option(help: "Memory the function may take, such as 64MiB or 2GiB; default 512MiB.")
  var memory: MemorySize?

  @Option(
    help: "When its writes count as done: cached (at once), accepted, replicated or durable.")
  var level: CallLevelWord?

  func validate() throws {
    guard attempts != 0 else { throw ValidationError("--attempts is 1 to 255") }
  }

  func options(within timeLimit: Duration?) -> CallOptions {
    CallOptions(
      timeLimit: timeLimit, writeLevel: level?.level, attempts: attempts.map(Int.init),
      memoryLimit: memory?.byteCount)
  }
}

/// `CloudburstClient.WriteLevel` as a word; `cached` is for calls only.
enum CallLevelWord: String, ExpressibleByArgument, CaseIterable {
  case cached
  case accepted
  case replicated
  case durable

  var level: CloudburstClient.WriteLevel? { .init(rawValue: rawValue) }
}

/// A size such as `64MiB` or `2GiB`.
struct MemorySize: ExpressibleByArgument {
  let byteCount: Int

  init?(argument: String) {
    let digits = argument.prefix { $0.isNumber }
    guard let number = Int(digits), number > 0, number < 1 << 20 else { return nil }
    switch argument.dropFirst(digits.count) {
    case "MiB": byteCount = number << 20
    case "GiB": byteCount = number << 30
    default: return nil
    }
    guard byteCount < 64 << 30 else { return nil }
  }
}
