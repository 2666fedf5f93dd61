import CloudburstClient

/// A status for people: one screen, the unhealthy first.
struct StatusText {
  /// Executors shown of each node; the busiest and the sick come before the cut.
  private static let executorsShownMax = 16

  private let status: ClusterStatus
  private let endpoint: String

  init(_ status: ClusterStatus, endpoint: String) {
    self.status = status
    self.endpoint = endpoint
  }

  var text: String {
    var parts = [table(head)]
    if !status.troubles.isEmpty { parts.insert(troubles, at: 0) }
    parts += nodeNames.map(node)
    if let tier = status.tier {
      let others = status.members.filter { $0.role != "storage" }.map { "\($0.name) (\($0.role))" }
      parts.append(
        "storage  \(tier.summary), ring \(tier.ringEpoch)\n"
          + table(status.storageMembers.map(\.row)) + "\n  members too: "
          + others.joined(separator: ", "))
    }
    return parts.joined(separator: "\n")
  }

  private var troubles: String {
    status.troubles.flatMap { trouble in
      let mark = trouble.isError ? "error" : "warning"
      return ["\(mark)  \(trouble.place): \(trouble.message)"]
        + (trouble.hint.map { ["  try:  \($0)"] } ?? [])
    }.joined(separator: "\n") + "\n"
  }

  private var head: [[String]] {
    [
      ["cluster", "\(endpoint)  (\(status.software), up \(status.uptime.rough))"],
      ["available", available],
      ["survives", Redundancy(status).text],
      ["data", data],
      ["registry", "\(status.functions) functions, \(status.dags) DAGs"],
      ["calls", calls],
      ["", "\(rate(status.callsPerSecond)) calls/s in the last 10 s, " + retries],
    ] + caches
  }

  /// What the caches may lose or have wrong, where there is any.
  private var caches: [[String]] {
    var lines: [String] = []
    if status.earlyWritesEver > 0 {
      lines.append(
        "\(status.earlyWrites) writes at level cached not yet in the store "
          + "(of \(status.earlyWritesEver) since the start)")
    }
    if status.unverifiedKeys > 0 {
      lines.append("\(status.unverifiedKeys) keys unverified: the store is silent, or was")
    }
    return lines.enumerated().map { [$0.offset == 0 ? "caches" : "", $0.element] }
  }

  private var available: String {
    guard status.isAvailable else { return "no: no executor takes calls" }
    return status.troubles.contains(where: \.isError) ? "yes, with the errors above" : "yes"
  }

  private var data: String {
    let place = status.dataFolder ?? "memory only, gone at stop"
    let count =
      status.tier == nil ? "\(status.keys) keys" : "\(status.keys) copies of keys and tombstones"
    let cold =
      status.coldKeys == 0
      ? "" : " (\(status.memoryBytes.asBytes) in memory, \(status.coldKeys) keys on disk only)"
    return "\(count), \(status.storedBytes.asBytes) in \(place)\(cold); "
      + "a write is done when \(status.writeLevel)"
  }

  private var calls: String {
    "\(status.callsRunning) running, \(status.callsQueued) queued, \(status.callsDone) done, "
      + "\(status.callsFailed) failed"
  }

  private var retries: String {
    "\(rate(status.failuresPerSecond)) of them failed; \(status.callsRetried) retried, "
      + "\(status.callsOverloaded) refused since the start"
  }

  private func rate(_ perSecond: Double) -> String {
    let tenths = Int((perSecond * 10).rounded())
    return perSecond >= 100 ? "\(tenths / 10)" : "\(tenths / 10).\(tenths % 10)"
  }

  private var nodeNames: [String] {
    Set(status.nodes.map(\.name) + status.executors.map(\.node)).sorted()
  }

  private func node(_ name: String) -> String {
    let executors = status.executors.filter { $0.node == name }
    let busy = executors.filter { $0.state == "busy" }.count
    let starting = executors.filter { $0.state == "starting" }.count
    var line = "\(name)  \(executors.count) executors: \(busy) busy"
    if starting > 0 { line += ", \(starting) starting" }
    if let node = status.nodes.first(where: { $0.name == name }) {
      line += "; \(node.executorRestarts) restarts; pid \(node.processID)\n  cache: "
      line += "\(node.cachedKeys) keys, \(node.cachedBytes.asBytes) of "
      line += "\(node.cacheBytesMax.asBytes)"
      if node.dirtyBytes > 0 { line += ", \(node.dirtyBytes.asBytes) on the way to the store" }
    }
    return line + rows(of: executors)
  }

  private func rows(of executors: [ClusterStatus.Executor]) -> String {
    let sorted = executors.sorted { urgency($0) < urgency($1) }
    var text = ""
    if !sorted.isEmpty {
      text = "\n" + table(sorted.prefix(Self.executorsShownMax).map(row))
    }
    let hidden = sorted.count - Self.executorsShownMax
    if hidden > 0 { text += "\n  … \(hidden) more (-o json has all)" }
    return text
  }

  /// Sick ones first, then those that run something longest, then the idle.
  private func urgency(
    _ executor: ClusterStatus.Executor
  ) -> (Int, Duration, String) {
    if executor.failedStarts > 0 { return (0, .zero, executor.id) }
    if executor.state == "starting" { return (1, .zero, executor.id) }
    if let time = executor.runningFor { return (2, .zero - time, executor.id) }
    return (3, .zero, executor.id)
  }

  private func row(_ executor: ClusterStatus.Executor) -> [String] {
    let number = executor.id.prefix { $0 != "#" }
    var doing = executor.function ?? ""
    if let time = executor.runningFor { doing += " for \(time.brief)" }
    if executor.failedStarts > 0 { doing = "\(executor.failedStarts) failed starts" }
    return [
      "  \(number)", "pid \(executor.processID)", executor.state, "\(executor.calls) calls", doing,
    ]
  }
}

extension UInt64 {
  var asBytes: String {
    switch self {
    case ..<1024: "\(self) B"
    case ..<(1 << 20): "\(self >> 10) KiB"
    case ..<(1 << 30): "\(self >> 20) MiB"
    default: "\(self >> 30) GiB"
    }
  }
}

extension Duration {
  /// For times in which seconds do not matter.
  fileprivate var rough: String {
    let seconds = components.seconds
    switch seconds {
    case ..<120: return "\(seconds) s"
    case ..<7200: return "\(seconds / 60) min"
    case ..<172_800: return "\(seconds / 3600) h"
    default: return "\(seconds / 86_400) days"
    }
  }

  fileprivate var brief: String {
    self < .seconds(1) ? "\(self / .milliseconds(1)) ms".replacing(".0 ", with: " ") : rough
  }
}
