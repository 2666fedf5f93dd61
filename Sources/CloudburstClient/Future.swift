public import CloudburstValues
import ClusterModel
import Platform
import WireProtocol

/// The result, some day, of a submitted call; the cluster keeps it for 24 hours.
public struct Future<Output: Value>: Sendable {
  let client: CloudburstClient
  let invocation: InvocationID

  /// Finds the result from anywhere: `CloudburstClient.future(id:)`, `cbctl result ID`.
  public var id: String { invocation.description }

  /// Waits for the result; may be asked again, and from several tasks.
  ///
  /// Nobody polls: the store tells when the result is there, also after a restart of the cluster.
  ///
  /// - Throws: what the call failed with; `resultNotFound` when nothing of this id was submitted or
  ///   its time is over; `timedOut` when the limit comes first, which leaves the call running.
  public func value(within timeLimit: Duration = .seconds(30)) async throws -> Output {
    let result = try await client.result(of: invocation, within: timeLimit)
    return try await client.value(of: result, from: "call \(id)")
  }

  /// As `value(within:)`, for a result whose type is not known here.
  public func encodedValue(
    in encoding: ValueEncoding? = nil, within timeLimit: Duration = .seconds(30)
  ) async throws -> EncodedValue {
    let result = try await client.result(of: invocation, within: timeLimit)
    return try await client.encodedValue(of: result, from: "call \(id)", in: encoding)
  }
}

extension CloudburstClient {
  /// Starts a call and returns as soon as the cluster has stored that it will run it.
  ///
  /// - Parameters:
  ///   - key: also store the result under this key.
  ///   - options: the time limit is the call's, from its acceptance.
  public func submit<each Input: Value, Output: Value>(
    _ function: String, _ arguments: repeat each Input, storingResultAs key: String? = nil,
    options: CallOptions = CallOptions(), returning: Output.Type = Output.self
  ) async throws -> Future<Output> {
    let callee = Callee.function(function, try Self.encode(repeat each arguments))
    return Future(client: self, invocation: try await submit(callee, key, options))
  }

  /// As `submit`, for a function whose types are not known here.
  public func submitEncoded(
    _ function: String, arguments: [CallArgument], storingResultAs key: String? = nil,
    options: CallOptions = CallOptions()
  ) async throws -> Future<AnyValue> {
    let callee = Callee.function(function, try Self.encode(arguments))
    return Future(client: self, invocation: try await submit(callee, key, options))
  }

  /// The future of a call that was submitted anywhere.
  ///
  /// - Throws: `usage` when `id` is not one.
  public func future<Output: Value>(
    id: String, as type: Output.Type = Output.self
  ) throws -> Future<Output> {
    guard let invocation = InvocationID(id) else {
      throw CloudburstError(
        .usage, "\(id) is not the id of a future: it has 32 hexadecimal digits",
        hint: "cbctl call --async prints one")
    }
    return Future(client: self, invocation: invocation)
  }

  func submit(
    _ callee: Callee, _ key: String?, _ options: CallOptions
  ) async throws -> InvocationID {
    var call = callee.message
    call.submit = true
    if let key { call.resultKey = try Key(writable: key).bytes }
    let header = options.header()
    _ = try await send(call, header, options)
    return header.invocation
  }

  func result(
    of invocation: InvocationID, within timeLimit: Duration
  ) async throws -> CallResult {
    let deadline = MonotonicClock.now + timeLimit.timerNanoseconds
    let key = ReservedKeys.future(invocation)
    var record = try await fetch(key, within: timeLimit)
    if record == nil, try await fetch(ReservedKeys.intent(invocation), within: timeLimit) == nil {
      // Neither stored nor to be run; unless it was stored between the two questions.
      record = try await fetch(key, within: timeLimit)
      guard record != nil else { throw CloudburstError.noResult(of: invocation) }
    }
    if record == nil { record = try await presence(of: key, until: deadline) }
    return try Self.result(in: record, of: invocation)
  }

  private func presence(of key: Key, until deadline: UInt64) async throws -> Record? {
    let now = MonotonicClock.now
    let left = Duration.nanoseconds(Int64(clamping: deadline > now ? deadline - now : 0))
    guard
      case .present(let record) = try await ask(
        .presence(of: key), within: left, isIdempotent: true)
    else { preconditionFailure("waiting for a key ends with its record or a failure") }
    return record
  }

  private static func result(in record: Record?, of id: InvocationID) throws -> CallResult {
    guard let record, let result = try? CallResult.decode(record.payload) else {
      throw CloudburstError(.internalError, "the stored result of call \(id) cannot be read")
    }
    guard var failure = result.failure else { return result }
    failure.requestID = failure.requestID ?? id
    throw CloudburstError(failure)
  }
}

extension CloudburstError {
  fileprivate static func noResult(of id: InvocationID) -> CloudburstError {
    CloudburstError(
      .resultNotFound,
      "there is no result of call \(id): nothing of this id was submitted, or its time is over")
  }
}
