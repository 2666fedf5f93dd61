import ClusterModel
import ControlProtocol
import FoundationEssentials
import SwiftProtobuf
import WireProtocol

extension CloudburstClient {
  /// The registered functions whose names begin with `prefix`, by name.
  public func functions(withPrefix prefix: String = "") async throws -> [FunctionDescription] {
    let answer = try await control { $0.listFunctions.prefix = prefix }
    return answer.functions.functions.map(FunctionDescription.init).sorted { $0.name < $1.name }
  }

  /// What the cluster is doing.
  public func status() async throws -> ClusterStatus {
    ClusterStatus(try await control { $0.getStatus = .init() }.status)
  }

  /// Ends the cluster in order: calls in flight finish, writes are synced. Local clusters only.
  public func shutdown() async throws {
    _ = try await control(isIdempotent: false) { $0.shutdown = .init() }
  }
}

extension CloudburstClient {
  /// - Parameter isIdempotent: asking again after a lost connection does no harm.
  func control(
    within timeLimit: Duration? = nil, isIdempotent: Bool = true,
    _ fill: (inout ControlRequest) -> Void
  ) async throws -> ControlResponse {
    var request = ControlRequest()
    fill(&request)
    let ticket = loop.nextTicket()
    var writer = ProtobufWriter()
    FrameHeader(kind: .controlRequest, number: ticket).write(to: &writer)
    let body: [UInt8]
    do {
      body = try request.serializedBytes()
    } catch {
      throw CloudburstError(.internalError, "a control request could not be encoded: \(error)")
    }
    writer.raw(body)
    let outcome = try await ask(
      .control(frame: writer.bytes), ticket: ticket,
      within: timeLimit ?? configuration.requestTimeLimit, isIdempotent: isIdempotent)
    guard case .control(let bytes) = outcome else {
      preconditionFailure("a control request ends with a response or a failure")
    }
    return try Self.response(in: bytes)
  }

  private static func response(in bytes: Bytes) throws -> ControlResponse {
    let response: ControlResponse
    do {
      response = try ControlResponse(serializedBytes: Array(bytes))
    } catch {
      throw CloudburstError(.internalError, "the cluster's answer could not be read: \(error)")
    }
    if response.hasFailure { throw CloudburstError(Failure(response.failure)) }
    return response
  }
}
