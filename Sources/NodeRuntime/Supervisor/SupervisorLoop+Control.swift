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
    case .getLogs(let query): response.logs = logs(query)
    case .getStatus: response.status = status()
    default:
      response = ControlResponse(
        Failure(.badRequest, "a supervisor does not know this control request"))
    }
    var writer = ProtobufWriter()
    FrameHeader(kind: .controlResponse, number: frame.header.number).write(to: &writer)
    let body: [UInt8] = try response.serializedBytes()
    writer.raw(body)
    try tellScheduler(writer.bytes)
  }

  private func logs(_ wanted: Cloudburst_Control_GetLogs) -> Cloudburst_Control_Logs {
    var query = LogRing.Query()
    query.function = wanted.function
    query.invocation = InvocationID(wireData: wanted.invocation)
    if wanted.linesMax > 0 { query.linesMax = Int(min(wanted.linesMax, 10_000)) }
    query.after = wanted.after
    var logs = Cloudburst_Control_Logs()
    logs.last = core.logs.last
    logs.lines = core.logs.lines(matching: query).map { line in
      var message = Cloudburst_LogLines.Line()
      message.level = line.level
      message.text = line.text
      message.invocation = line.invocation.wireData
      message.function = line.function
      message.time = line.time
      message.source = line.source
      return message
    }
    return logs
  }

  private func status() -> Cloudburst_Control_Status {
    var status = Cloudburst_Control_Status()
    status.executorRestarts = core.restarts
    var process = Cloudburst_Control_ProcessStatus()
    process.role = "node"
    process.name = configuration.node.name
    process.processID = UInt32(currentProcessID())
    process.endpoint = listener.endpoints[0]
    status.processes = [process]
    status.executors = core.executors.map { executor in
      var message = Cloudburst_Control_ExecutorStatus()
      message.id = executor.id.description
      message.state = executor.isRunning ? "idle" : "starting"
      message.processID = executor.processID
      return message
    }
    return status
  }
}
