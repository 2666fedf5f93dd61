/// One call as the host started it. Borrowed: good until the call is over.
struct CallFrame {
  let host: UnsafePointer<cb_host>
  let invocation: UnsafePointer<cb_invocation>

  var call: cb_call { invocation.pointee.call }
  var reply: Reply { Reply(hostCall: HostCall(host: Immortal(pointer: host), call: call)) }

  func context(named name: String) -> Context {
    let id = UnsafeRawPointer(invocation.pointee.id)
    return Context(
      id: Context.ID(
        high: UInt64(bigEndian: id?.loadUnaligned(as: UInt64.self) ?? 0),
        low: UInt64(bigEndian: id?.loadUnaligned(fromByteOffset: 8, as: UInt64.self) ?? 0)),
      attempt: Int(invocation.pointee.attempt), functionName: name,
      hostCall: HostCall(host: Immortal(pointer: host), call: call))
  }

  func arguments(expecting count: Int, of name: String) throws(ValueError) -> ArgumentReader {
    guard Int(invocation.pointee.argument_count) == count else {
      throw ValueError(
        path: name, expected: count == 1 ? "1 argument" : "\(count) arguments",
        found: "\(invocation.pointee.argument_count)")
    }
    return ArgumentReader(next: invocation.pointee.arguments)
  }
}

/// Decodes arguments in order.
struct ArgumentReader {
  private var next: UnsafePointer<cb_value>?
  private var index = 0

  init(next: UnsafePointer<cb_value>?) {
    self.next = next
  }

  mutating func read<V: Value>(_ type: V.Type) throws(ValueError) -> V {
    index += 1
    guard let argument = next?.pointee, let encoding = argument.encodingCase else {
      throw ValueError(
        path: "argument \(index)", expected: "a known encoding",
        found: "\(next?.pointee.encoding ?? 0)")
    }
    next = next.map { $0 + 1 }
    do throws(ValueError) {
      return try V(encoding: encoding, bytes: argument.block)
    } catch {
      throw error.inside("argument \(index)")
    }
  }
}

/// How a call is answered.
struct Reply: Sendable {
  let hostCall: HostCall

  func result(_ value: some Value) -> cb_outcome {
    var writer = NativeWriter()
    do throws(ValueError) {
      try value.encode(into: &writer)
    } catch {
      return fail(CB_CODE_FUNCTION_FAILED, error.inside("result").description)
    }
    let status = writer.bytes.withNative {
      hostCall.table.pointee.result(hostCall.table, hostCall.call, $0)
    }
    if let code = HostError.Code(status: status) {
      return fail(code.failureCode, "result: the host refused it")
    }
    return cb_outcome(CB_DONE)
  }

  func fail(_ code: String, _ message: String) -> cb_outcome {
    code.withText { code in
      message.withText { message in
        _ = hostCall.table.pointee.fail(hostCall.table, hostCall.call, code, message)
      }
    }
    return cb_outcome(CB_FAILED)
  }

  func fail(_ error: any Error) -> cb_outcome {
    switch error {
    case let error as HostError: fail(error.code.failureCode, error.description)
    case let error as SetupError: fail(CB_CODE_SET_UP_FAILED, Self.describe(error.cause))
    default: fail(CB_CODE_FUNCTION_FAILED, Self.describe(error))
    }
  }

  func complete() {
    _ = hostCall.table.pointee.complete(hostCall.table, hostCall.call)
  }

  /// The error with its type's name, which an enum's case alone does not say.
  private static func describe(_ error: any Error) -> String {
    let (name, text) = ("\(type(of: error))", "\(error)")
    return text.hasPrefix(name) ? text : "\(name): \(text)"
  }
}

/// A one-time set-up that threw.
struct SetupError: Error {
  let cause: any Error
}

/// The result of functions that return nothing: null.
struct NoResult: Value {
  static var valueTypeName: String { "Void" }
  init() {}
  init(from reader: inout NativeReader) throws(ValueError) {
    guard reader.take(.null) else { throw reader.mismatch(expected: "Void") }
  }
  func encode(into writer: inout NativeWriter) throws(ValueError) {
    writer.write(.null)
  }
}
