import ArgumentParser
import CloudburstClient
import CloudburstValues

struct Status: ClusterCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show whether the cluster is available, what it can lose, and what it is doing.",
    discussion: """
      What is wrong comes first, with what to do about it; then nodes and their executors, the
      busy ones first.

      Examples:
        cbctl status
        cbctl status -o json
        watch -n 1 cbctl status
      """)

  @OptionGroup var cluster: ClusterOptions

  func run(on cloud: CloudburstClient) async throws -> Output {
    let status = try await cloud.status()
    return Output(json: status.json, text: StatusText(status, endpoint: cloud.endpoint).text)
  }
}

/// What may fail at a time without a call or a value being lost for good.
struct Redundancy {
  let executors: Int
  /// One more than that and nothing takes calls until one is replaced.
  let executorsThatMayFail: Int
  let nodes: Int
  let nodesThatMayFail: Int
  /// Of each key, on different storage nodes.
  let copiesOfData: Int
  let storageNodes: Int
  let storageNodesThatMayFail: Int
  /// Whether acknowledged writes outlive the processes.
  let isDurable: Bool

  init(_ status: ClusterStatus) {
    let live = status.executors.filter { $0.state != "starting" }
    executors = live.count
    executorsThatMayFail = max(0, live.count - 1)
    nodes = Set(live.map(\.node)).count
    nodesThatMayFail = max(0, nodes - 1)
    copiesOfData = status.tier?.copiesEffective ?? 1
    storageNodes = status.tier?.storageNodes ?? 1
    storageNodesThatMayFail = status.tier?.failuresSurvived ?? 0
    isDurable = status.writeLevel == "durable" && status.dataFolder != nil
  }

  var text: String {
    var survived: [String] = []
    if executorsThatMayFail > 0 {
      survived.append("the loss of \(executorsThatMayFail) of \(executors) executors")
    }
    if nodesThatMayFail > 0 { survived.append("of \(nodesThatMayFail) of \(nodes) nodes") }
    if storageNodesThatMayFail > 0 {
      survived.append("of \(storageNodesThatMayFail) of \(storageNodes) storage nodes")
    }
    if isDurable { survived.append("a restart of everything") }
    let losses = survived.isEmpty ? "no failure" : survived.joined(separator: ", ")
    return losses + "; data: \(copiesOfData.copies), " + (isDurable ? "on disk" : "in memory only")
  }

  var json: AnyValue {
    .map([
      "executors": .integer(Int64(executors)),
      "executorsThatMayFail": .integer(Int64(executorsThatMayFail)),
      "nodes": .integer(Int64(nodes)), "nodesThatMayFail": .integer(Int64(nodesThatMayFail)),
      "copiesOfData": .integer(Int64(copiesOfData)),
      "storageNodes": .integer(Int64(storageNodes)),
      "storageNodesThatMayFail": .integer(Int64(storageNodesThatMayFail)),
      "durable": .bool(isDurable),
    ])
  }
}
