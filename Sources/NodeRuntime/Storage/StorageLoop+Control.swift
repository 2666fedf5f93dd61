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
    status.memoryBytes = UInt64(statistics.memoryBytes)
    status.coldKeys = UInt64(statistics.coldKeys)
    status.writeLevel = "\(configuration.defaultLevel)"
    status.dataFolder = configuration.dataFolder ?? ""
    status.processes = [
      .own(
        role: "storage", name: configuration.incarnation.description,
        endpoint: listener.endpoints[0])
    ]
    if statistics.damagedRecords > 0 {
      status.troubles.append(
        .init(
          .error, at: "storage",
          "\(statistics.damagedRecords) records could not be read from the disk, "
            + "\(statistics.recoveredRecords) of them other copies gave back",
          hint: "the log of the storage node names them; check its disk"))
    }
    if let reason = statistics.logTrouble {
      let folder = configuration.dataFolder ?? ""
      status.troubles.append(
        .init(
          .error, at: "storage", "durable writes are refused, the log takes none: \(reason)",
          hint: "make room where \(folder) is (df -h \(folder)): it is tried again every "
            + "\(configuration.limits.logRetryInterval)"))
    }
    return status
  }
}
