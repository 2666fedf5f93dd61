import ArgumentParser
import CloudburstClient
import CloudburstValues
import Glibc

struct Logs: ClusterCommand {
  static let configuration = CommandConfiguration(
    abstract: "Print what functions and executors wrote.",
    discussion: """
      A function's context.log lines carry its name and request; lines it printed carry the
      executor. With -o json, one object a line.

      Examples:
        cbctl logs
        cbctl logs --function visit --last 20
        cbctl logs --request 4be1c0f2a7d94c2f8a5be0d1f3a2c4e6
      """)

  @OptionGroup var cluster: ClusterOptions
  @Option(help: "Only lines of this function.") var function: String?
  @Option(help: "Only lines of this request.") var request: String?
  @Option(help: "At most so many lines, the newest.") var last = 200

  func run(on cloud: CloudburstClient) async throws -> Output {
    let page = try await cloud.logs(function: function, requestID: request, last: last)
    let format = cluster.output
    let lines = page.lines.map { format == .json ? $0.json.jsonText : $0.line }
    // JSON lines are a stream of objects, not one.
    var output = Output(json: .null, text: lines.joined(separator: "\n"))
    if page.lines.isEmpty { output.notes = ["no lines"] }
    return output
  }

  func runPrinting() async throws {
    let output = try await failing {
      let cloud = try await cluster.connect()
      let output = try await run(on: cloud)
      await cloud.close()
      return output
    }
    output.write(.text)
  }
}

extension LogLine {
  fileprivate var line: String {
    var words = [clock, "\(level)", source]
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
