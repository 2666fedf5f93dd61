import ClusterModel
import Connections
import ControlProtocol
import KeyValueStore
import Platform
import SwiftProtobuf
import WireProtocol

extension StorageLoop {
  /// The shard's part of the status; the scheduler asks for it.
  mutating func answerControl(_ frame: Frame, from peer: PeerID) throws {
    var response = ControlResponse()
    if case .getStatus = (try? ControlRequest(serializedBytes: Array(frame.body)))?.request {
      response.status = status()
    } else {
      response = ControlResponse(Failure(.badRequest, "a store does not know this control request"))
    }
    var writer = ProtobufWriter()
    FrameHeader(kind: .controlResponse, number: frame.header.number).write(to: &writer)
    let body: [UInt8] = try response.serializedBytes()
    writer.raw(body)
    _ = try listener.send(writer.bytes, to: peer)
  }

  private func status() -> Cloudburst_Control_Status {
    let statistics = shard.statistics
    var status = Cloudburst_Control_Status()
    status.keys = UInt64(statistics.keys)
    status.storedBytes = UInt64(statistics.storedBytes)
    status.writeLevel = "\(configuration.defaultLevel)"
    status.dataFolder = configuration.dataFolder ?? ""
    var process = Cloudburst_Control_ProcessStatus()
    process.role = "storage"
    process.name = configuration.incarnation.description
    process.processID = UInt32(currentProcessID())
    process.endpoint = listener.endpoints[0]
    status.processes = [process]
    return status
  }
}
