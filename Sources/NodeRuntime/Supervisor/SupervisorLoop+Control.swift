import ClusterModel
import Connections
import ControlProtocol
import Platform
import Supervision
import SwiftProtobuf
import WireProtocol

extension SupervisorLoop {
  /// Log lines and this node's part of the status; the scheduler forwards both.
  mutating func answerControl(_ frame: Frame) throws {
    var response = ControlResponse()
    switch (try? ControlRequest(serializedBytes: Array(frame.body)))?.request {
    case .getLogs(let query): return try answerLogs(query, number: frame.header.number)
    case .getStatus: response.status = status()
    default:
      response = ControlResponse(
        Failure(.badRequest, "a supervisor does not know this control request"))
    }
    try send(response, number: frame.header.number)
  }

  mutating func send(_ response: ControlResponse, number: UInt64) throws {
    var writer = ProtobufWriter()
    FrameHeader(kind: .controlResponse, number: number).write(to: &writer)
    let body: [UInt8] = try response.serializedBytes()
    writer.raw(body)
    // An answer that cannot go now is worth nothing later: whoever asked asks again.
    _ = try scheduler.send(writer.bytes)
  }

  private func status() -> Cloudburst_Control_Status {
    var status = Cloudburst_Control_Status()
    status.executorRestarts = core.restarts
    var node = Cloudburst_Control_NodeStatus()
    node.name = configuration.node.name
    node.processID = UInt32(currentProcessID())
    node.executorsWanted = UInt32(configuration.executors)
    node.executorRestarts = core.restarts
    status.nodes = [node]
    status.processes = [
      .own(role: "node", name: configuration.node.name, endpoint: listener.endpoints[0])
    ]
    for executor in core.executors {
      var message = Cloudburst_Control_ExecutorStatus()
      message.id = executor.id.description
      message.node = configuration.node.name
      message.state = executor.isRunning ? "idle" : "starting"
      message.processID = executor.processID
      message.failedStarts = UInt32(executor.failedStarts)
      status.executors.append(message)
      if executor.failedStarts > 0 {
        status.troubles.append(
          .init(
            .error, at: "\(executor.id.node)/\(executor.id.number)",
            "ended \(executor.failedStarts) times in a row before it could take calls",
            hint: "cbctl logs; cbctl doctor"))
      }
    }
    return status
  }
}
