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

  /// Lines that functions and executors wrote, oldest first.
  ///
  /// - Parameters:
  ///   - function: only of this function.
  ///   - requestID: only of this request: an error's or a future's id.
  ///   - last: at most so many, the newest.
  ///   - position: only lines after this one, as a page before said; 0 is from the start.
  public func logs(
    function: String? = nil, requestID: String? = nil, last: Int = 200, after position: UInt64 = 0
  ) async throws -> LogPage {
    var request = Cloudburst_Control_GetLogs()
    request.function = function ?? ""
    if let requestID {
      guard let id = InvocationID(requestID) else {
        throw CloudburstError(
          .usage, "\(requestID) is not a request id: it has 32 hexadecimal digits")
      }
      request.invocation = id.wireData
    }
    request.linesMax = UInt32(clamping: last)
    request.after = position
    let answer = try await control { $0.getLogs = request }
    return LogPage(lines: answer.logs.lines.map(LogLine.init), position: answer.logs.last)
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
