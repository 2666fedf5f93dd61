import ClusterModel
import ControlProtocol
import Foundation
import Scheduling
import SwiftProtobuf
import WireProtocol

extension RegistryRequest {
  /// - Returns: nil for requests that are not the registry's.
  init?(_ request: Cloudburst_Control_ControlRequest.OneOf_Request) {
    switch request {
    case .uploadBegin(let begin):
      self = .uploadBegin(
        digest: Bytes(begin.digest), byteCount: begin.byteCount, fileName: begin.fileName)
    case .uploadChunk(let chunk):
      self = .uploadChunk(
        digest: Bytes(chunk.digest), number: chunk.number, data: Bytes(chunk.data))
    case .uploadCommit(let commit): self = .uploadCommit(digest: Bytes(commit.digest))
    case .listFunctions(let list): self = .listFunctions(prefix: list.prefix)
    case .putDag(let put): self = .putDAG(DAGRecord(put.dag))
    case .deleteDag(let delete): self = .deleteDAG(delete.name)
    case .listDags(let list): self = .listDAGs(prefix: list.prefix)
    case .getStatus, .getLogs, .shutdown: return nil
    }
  }
}

extension RegistryAnswer {
  var response: ControlResponse {
    var response = ControlResponse()
    switch self {
    case .failure(let failure): return ControlResponse(failure)
    case .uploadComplete(let result):
      response.uploadState.complete = true
      response.uploadState.result = result.message
    case .uploadOpen(let present): response.uploadState.present = present
    case .uploaded(let result): response.uploadResult = result.message
    case .functions(let functions): response.functions.functions = functions.map(\.message)
    case .dags(let dags): response.dags.dags = dags.map(\.message)
    case .done: response.done = .init()
    }
    return response
  }
}

extension UploadResult {
  fileprivate var message: Cloudburst_Control_UploadResult {
    var message = Cloudburst_Control_UploadResult()
    message.bundle = bundle
    message.digest = Data(digest)
    message.functions = functions.map(\.message)
    message.unchanged = unchanged
    message.replaced = replaced
    return message
  }
}

extension FunctionRecord {
  fileprivate var message: Cloudburst_FunctionRecord {
    var message = Cloudburst_FunctionRecord()
    message.name = name
    message.bundleName = bundleName
    message.bundle = Data(bundle)
    message.signature = signature
    message.parameterCount = parameterCount
    message.isAsync = isAsync
    message.uploadedAt = uploadedAt
    return message
  }
}

extension DAGRecord {
  fileprivate init(_ message: Cloudburst_DAGRecord) {
    self.init()
    name = message.name
    functions = message.functions
    edges = message.edges.map { Edge(from: $0.from, to: $0.to) }
  }

  fileprivate var message: Cloudburst_DAGRecord {
    var message = Cloudburst_DAGRecord()
    message.name = name
    message.functions = functions
    message.edges = edges.map { edge in
      var copy = Cloudburst_DAGRecord.Edge()
      copy.from = edge.from
      copy.to = edge.to
      return copy
    }
    message.registeredAt = registeredAt
    return message
  }
}
