public import CloudburstValues
import ClusterModel
import WireProtocol

extension CloudburstClient {
  /// Calls a function and waits for its result.
  ///
  /// Arguments are values, or `.reference(key)`, `.raw(bytes)`, `.json(text)`. Cancelling the task
  /// cancels the call. A call is sent once: if the connection is lost meanwhile it may have run, and
  /// fails with `unavailable`.
  ///
  /// - Throws: `CloudburstError`; `functionFailed` and `functionCrashed` are the function's own.
  public func call<each Input: Value, Output: Value>(
    _ function: String, _ arguments: repeat each Input, options: CallOptions = CallOptions()
  ) async throws -> Output {
    let encoded = try Self.encode(repeat each arguments)
    let result = try await call(.function(function, encoded), options)
    return try await value(of: result, from: function)
  }

  /// As the form with a result, for a function without one or whose result does not matter.
  public func call<each Input: Value>(
    _ function: String, _ arguments: repeat each Input, options: CallOptions = CallOptions()
  ) async throws {
    let encoded = try Self.encode(repeat each arguments)
    _ = try await call(.function(function, encoded), options)
  }

  /// Calls a function whose types are not known here, as tools do.
  ///
  /// - Parameter encoding: of the result; nil takes it as the function gave it.
  public func callEncoded(
    _ function: String, arguments: [CallArgument], accepting encoding: ValueEncoding? = nil,
    options: CallOptions = CallOptions()
  ) async throws -> EncodedValue {
    let encoded = try Self.encode(arguments)
    let result = try await call(.function(function, encoded), options, accepting: encoding)
    return try await encodedValue(of: result, from: function, in: encoding)
  }
}

extension CloudburstClient {
  /// What is called: one function, or a registered DAG with inputs for its functions.
  enum Callee {
    case function(String, [Argument])
    case dag(String, [DAGInput])

    var message: Call {
      var call = Call()
      switch self {
      case .function(let name, let arguments): (call.function, call.arguments) = (name, arguments)
      case .dag(let name, let inputs): (call.dag, call.inputs) = (name, inputs)
      }
      return call
    }
  }

  static func encode<each Input: Value>(_ arguments: repeat each Input) throws -> [Argument] {
    var encoded: [Argument] = []
    for argument in repeat each arguments {
      encoded.append(try Argument(argument, number: encoded.count + 1))
    }
    return encoded
  }

  static func encode(_ arguments: [CallArgument]) throws -> [Argument] {
    try arguments.enumerated().map { try Argument($0.element, number: $0.offset + 1) }
  }

  func call(
    _ callee: Callee, _ options: CallOptions, accepting encoding: ValueEncoding? = nil
  ) async throws -> CallResult {
    var call = callee.message
    if let encoding { call.accepts = 1 << UInt32(encoding.rawValue) }
    return try await send(call, options.header(), options)
  }

  func send(
    _ call: Call, _ header: CallHeader, _ options: CallOptions
  ) async throws -> CallResult {
    try call.checkSize()
    let timeLimit = options.timeLimit ?? configuration.callTimeLimit
    let outcome = try await ask(.call(call, header), within: timeLimit, isIdempotent: false)
    guard case .result(let result) = outcome else {
      preconditionFailure("a call ends with a result or a failure")
    }
    return result
  }

  /// The typed value of a result, fetched first where it was too large to come along.
  func value<Output: Value>(of result: CallResult, from function: String) async throws -> Output {
    let bytes = try await payload(of: result)
    do throws(ValueError) {
      return try Output(wireEncoding: bytes.encoding, bytes: bytes.value)
    } catch {
      throw CloudburstError(
        .usage, "the result of \(function) is not a \(Output.valueTypeName): \(error)",
        hint: "cbctl functions")
    }
  }

  func encodedValue(
    of result: CallResult, from function: String, in encoding: ValueEncoding?
  ) async throws -> EncodedValue {
    let bytes = try await payload(of: result)
    do throws(ValueError) {
      let value = try EncodedValue(wireEncoding: bytes.encoding, bytes: bytes.value)
      return if let encoding { try value.converted(to: encoding) } else { value }
    } catch {
      throw CloudburstError(
        .usage, "the result of \(function) cannot be shown as asked: \(error)")
    }
  }

  private func payload(of result: CallResult) async throws -> (encoding: UInt8, value: Bytes) {
    guard !result.reference.isEmpty else { return (result.encoding, result.value) }
    let key = Key(trusted: result.reference)
    guard let record = try await fetch(key) else {
      throw CloudburstError(.resultNotFound, "the stored result \(key) is gone: it has expired")
    }
    return (record.encoding, record.payload)
  }
}

extension Call {
  fileprivate func checkSize() throws {
    let count = inputs.reduce(arguments.count) { $0 + $1.arguments.count }
    guard count <= Limits.argumentsMax else {
      throw CloudburstError(
        .badArgument, "\(count) arguments; a call takes at most \(Limits.argumentsMax)")
    }
    let bytes = inputs.reduce(arguments.byteCount) { $0 + $1.arguments.byteCount }
    guard bytes <= Limits.valueBytesMax else {
      throw CloudburstError(
        .valueTooLarge,
        "the arguments have \(bytes) bytes; a call takes at most \(Limits.valueBytesMax)",
        hint: "store large values under keys and pass .reference(key)")
    }
  }
}

extension [Argument] {
  fileprivate var byteCount: Int { reduce(0) { $0 + $1.value.count } }
}

extension Value {
  init(wireEncoding: UInt8, bytes: Bytes) throws(ValueError) {
    let encoding = try ValueEncoding(wire: wireEncoding)
    let outcome: Result<Self, ValueError> = bytes.withUnsafeBytes { source in
      do throws(ValueError) {
        return .success(try Self(encoding: encoding, bytes: source))
      } catch {
        return .failure(error)
      }
    }
    self = try outcome.get()
  }
}

extension EncodedValue {
  init(wireEncoding: UInt8, bytes: Bytes) throws(ValueError) {
    self.init(encoding: try ValueEncoding(wire: wireEncoding), bytes: Array(bytes))
  }
}

extension ValueEncoding {
  fileprivate init(wire: UInt8) throws(ValueError) {
    guard let encoding = ValueEncoding(rawValue: wire) else {
      throw ValueError(expected: "a known encoding", found: "encoding \(wire) of a newer version")
    }
    self = encoding
  }
}
