import ArgumentParser
import CloudburstClient
import CloudburstValues
import ClusterModel
import Platform

struct KVExport: ClusterCommand {
  static let configuration = CommandConfiguration(
    commandName: "export",
    abstract: "Write keys with their values, of every type, as JSON lines.",
    discussion: """
      One object a line, which `cbctl kv import` reads back exactly; progress goes to standard error.
      Keys that change meanwhile are written as they are when their turn comes. The platform's own keys
      are left out.

      Examples:
        cbctl kv export > backup.jsonl
        cbctl kv export visits/ | gzip > visits.jsonl.gz
      """)

  @OptionGroup var cluster: ClusterOptions
  @Argument(help: "Only keys that begin with this.") var prefix = ""

  /// Of one request; a value above a chunk's share is asked for by itself.
  static let keysPerRequest = 128

  func run(on cloud: CloudburstClient) async throws -> Output {
    var progress = Progress("exported")
    for try await page in cloud.keyPages(withPrefix: prefix) {
      let keys = page.filter { !$0.hasPrefix(ReservedKeys.prefix) }
      for start in stride(from: 0, to: keys.count, by: Self.keysPerRequest) {
        let part = Array(keys[start..<min(start + Self.keysPerRequest, keys.count)])
        var lines = ""
        for outcome in try await cloud.inspect(part) {
          // Deleted since it was listed.
          guard let record = try outcome.get() else { continue }
          lines += RecordLine(key: record.key, record: record.record).jsonText + "\n"
          progress.count += 1
        }
        guard StandardOutput.isTaking(lines) else {
          throw Failure(.cancelled, "nobody reads the export any more")
        }
        progress.tell()
      }
    }
    progress.finish()
    return Output(json: .null, text: "")
  }

  func runPrinting() async throws {
    try await failing {
      let cloud = try await cluster.connect(longRunning: true)
      _ = try await run(on: cloud)
      await cloud.close()
    }
  }
}

/// How far a long command is, on standard error: a line that rewrites itself on a terminal, else one
/// every ten seconds.
struct Progress {
  var count = 0
  private let verb: String
  private let start = MonotonicClock.now
  private var toldAt: UInt64

  init(_ verb: String) {
    self.verb = verb
    toldAt = start
  }

  mutating func tell() {
    let now = MonotonicClock.now
    let interval: UInt64 = StandardError.isTerminal ? 200_000_000 : 10_000_000_000
    guard now - toldAt >= interval else { return }
    toldAt = now
    StandardError.write(StandardError.isTerminal ? "\r\(text)" : text + "\n")
  }

  func finish() { StandardError.write((StandardError.isTerminal ? "\r" : "") + text + "\n") }

  private var text: String {
    let seconds = Double(MonotonicClock.now - start) / 1e9
    let rate = seconds > 0 ? Int(Double(count) / seconds) : 0
    return "\(verb) \(count) keys (\(rate) a second)"
  }
}
