import ArgumentParser
import CloudburstClient
import CloudburstValues
import Glibc

struct Logs: ClusterCommand {
  static let configuration = CommandConfiguration(
    abstract: "Print what functions and executors wrote.",
    discussion: """
      A line has its time, level, node and executor, function and request. A function's context.log
      lines carry the last two; lines it printed carry the executor only. With -o json, one object
      a line. Nodes keep the last lines in memory only.

      Examples:
        cbctl logs
        cbctl logs -f --function visit
        cbctl logs --function visit --last 20 --level warning
        cbctl logs --request 4be1c0f2a7d94c2f8a5be0d1f3a2c4e6
      """)

  @OptionGroup var cluster: ClusterOptions
  @Flag(name: .shortAndLong, help: "Go on printing lines as they come, until interrupted.")
  var follow = false
  @Option(help: "Only lines of this function.") var function: String?
  @Option(help: "Only lines of this request.") var request: String?
  @Option(help: "Only lines of this level or above: trace, debug, info, warning or error.")
  var level: LogLevelWord?
  @Option(help: "At most so many lines, the newest; with -f, of those there are already.")
  var last = 200

  func validate() throws {
    guard last >= 0 else { throw ValidationError("--last is 0 or more") }
  }

  private var filter: LogFilter {
    LogFilter(function: function, requestID: request, level: level?.level ?? .trace)
  }

  func run(on cloud: CloudburstClient) async throws -> Output {
    guard follow else {
      let page = try await cloud.logs(filter, last: max(1, last))
      // JSON lines are a stream of objects, not one.
      var output = Output(json: .null, text: last == 0 ? "" : text(page))
      if page.lines.isEmpty { output.notes = ["no lines"] }
      return output
    }
    // Every line is written whole, so an interrupt leaves nothing half done.
    endQuietlyWhenInterrupted()
    try await withTimeLimit(cluster.timeout?.duration) {
      for try await page in cloud.followLogs(filter, last: last) {
        if page.linesLost > 0 {
          StandardError.write("(\(page.linesLost) lines were dropped before they could be read)\n")
        }
        let text = text(page)
        if !text.isEmpty, !StandardOutput.isTaking(text + "\n") { return }
      }
    }
    return Output(json: .null, text: "")
  }

  private func text(_ page: LogPage) -> String {
    let format = cluster.output
    return page.lines.map { format == .json ? $0.json.jsonText : $0.line }.joined(separator: "\n")
  }

  func runPrinting() async throws {
    let output = try await failing {
      let cloud = try await cluster.connect(longRunning: follow)
      let output = try await run(on: cloud)
      await cloud.close()
      return output
    }
    output.write(.text)
  }
}

/// A level's name on the command line.
struct LogLevelWord: ExpressibleByArgument {
  static let allValueStrings = LogLine.Level.allCases.map { "\($0)" }
  let level: LogLine.Level

  init?(argument: String) {
    guard let level = LogLine.Level.allCases.first(where: { "\($0)" == argument }) else {
      return nil
    }
    self.level = level
  }
}

extension LogLine {
  fileprivate var line: String {
    let level = "\(level)"
    var words = [clock, level + String(repeating: " ", count: max(0, 7 - level.count)), source]
    if let function { words.append(function) }
    if let requestID { words.append(String(requestID.prefix(8))) }
    return words.joined(separator: " ") + ": " + text
  }

  /// The time of day here, with milliseconds.
  private var clock: String {
    guard time > 0 else { return "--:--:--.---" }
    var seconds = time_t(time / 1000)
    var parts = tm()
    localtime_r(&seconds, &parts)
    func padded(_ number: Int, _ width: Int) -> String {
      let digits = String(number)
      return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
    let day = [parts.tm_hour, parts.tm_min, parts.tm_sec].map { padded(Int($0), 2) }
    return day.joined(separator: ":") + "." + padded(Int(time % 1000), 3)
  }

  fileprivate var json: AnyValue {
    .object([
      "time": .integer(Int64(clamping: time)), "level": .string("\(level)"),
      "source": .string(source), "function": function.map(AnyValue.string),
      "requestID": requestID.map(AnyValue.string), "text": .string(text),
    ])
  }
}
