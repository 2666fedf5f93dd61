import ArgumentParser
import CloudburstClient
import CloudburstValues

struct Status: ClusterCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show what the cluster is doing.",
    discussion: """
      Examples:
        cbctl status
        cbctl status -o json
      """)

  @OptionGroup var cluster: ClusterOptions

  func run(on cloud: CloudburstClient) async throws -> Output {
    let status = try await cloud.status()
    return Output(json: status.json, text: status.text(endpoint: cloud.endpoint))
  }
}

extension ClusterStatus {
  fileprivate func text(endpoint: String) -> String {
    let busy = executors.filter { $0.state == "busy" }.count
    let starting = executors.filter { $0.state == "starting" }.count
    let data = dataFolder ?? "memory only, gone at stop"
    var lines = table([
      ["cluster", "\(endpoint)  (\(software), up \(uptime.rough))"],
      ["available", isAvailable ? "yes" : "no: no executor takes calls"],
      ["data", "\(data); writes count as done when \(writeLevel)"],
      [
        "store",
        "\(keys) keys, \(storedBytes.asBytes); cached \(cachedKeys), \(cachedBytes.asBytes)",
      ],
      ["registry", "\(functions) functions, \(dags) DAGs"],
      [
        "calls",
        "\(callsRunning) running, \(callsQueued) queued, \(callsDone) done, \(callsFailed) failed",
      ],
      [
        "executors",
        "\(executors.count): \(busy) busy, \(starting) starting; \(executorRestarts) restarts",
      ],
    ])
    let rows = executors.map {
      ["  " + $0.id, $0.state, "pid \($0.processID)", "\($0.calls) calls", $0.function ?? ""]
    }
    if !rows.isEmpty { lines += "\n" + table(rows) }
    return lines
  }

  fileprivate var json: AnyValue {
    .object([
      "schema": .integer(1), "cluster": .string(cluster), "software": .string(software),
      "available": .bool(isAvailable), "writeLevel": .string(writeLevel),
      "dataFolder": dataFolder.map(AnyValue.string),
      "uptimeMilliseconds": .integer(Int64(uptime / .milliseconds(1))),
      "functions": .integer(Int64(functions)), "dags": .integer(Int64(dags)),
      "calls": .map([
        "running": callsRunning.json, "queued": callsQueued.json, "done": callsDone.json,
        "failed": callsFailed.json,
      ]),
      "executorRestarts": executorRestarts.json, "keys": keys.json,
      "storedBytes": storedBytes.json, "cachedKeys": cachedKeys.json,
      "cachedBytes": cachedBytes.json, "executors": .array(executors.map(\.json)),
      "processes": .array(processes.map(\.json)),
    ])
  }
}

extension ClusterStatus.Executor {
  fileprivate var json: AnyValue {
    .object([
      "id": .string(id), "state": .string(state), "function": function.map(AnyValue.string),
      "calls": calls.json, "processID": .integer(Int64(processID)),
    ])
  }
}

extension ClusterStatus.Process {
  fileprivate var json: AnyValue {
    .object([
      "role": .string(role), "name": .string(name), "processID": .integer(Int64(processID)),
      "endpoint": endpoint.map(AnyValue.string),
    ])
  }
}

extension UInt64 {
  fileprivate var json: AnyValue { .integer(Int64(clamping: self)) }

  fileprivate var asBytes: String {
    switch self {
    case ..<1024: "\(self) B"
    case ..<(1 << 20): "\(self >> 10) KiB"
    case ..<(1 << 30): "\(self >> 20) MiB"
    default: "\(self >> 30) GiB"
    }
  }
}

extension Duration {
  fileprivate var rough: String {
    let seconds = components.seconds
    switch seconds {
    case ..<120: return "\(seconds) s"
    case ..<7200: return "\(seconds / 60) min"
    default: return "\(seconds / 3600) h"
    }
  }
}
