/// One call as the host started it. Borrowed: good until the call is over.
@usableFromInline struct CallFrame {
  @usableFromInline let host: UnsafePointer<cb_host>
  @usableFromInline let invocation: UnsafePointer<cb_invocation>

  init(host: UnsafePointer<cb_host>, invocation: UnsafePointer<cb_invocation>) {
    self.host = host
    self.invocation = invocation
  }

  @inlinable var call: cb_call { invocation.pointee.call }
  @inlinable var reply: Reply {
    Reply(hostCall: HostCall(host: Immortal(pointer: host), call: call))
  }

  @inlinable func context(named name: String) -> Context {
    let id = UnsafeRawPointer(invocation.pointee.id)
    return Context(
      id: Context.ID(
        high: UInt64(bigEndian: id?.loadUnaligned(as: UInt64.self) ?? 0),
        low: UInt64(bigEndian: id?.loadUnaligned(fromByteOffset: 8, as: UInt64.self) ?? 0)),
      attempt: Int(invocation.pointee.attempt), functionName: name,
      hostCall: HostCall(host: Immortal(pointer: host), call: call))
  }

  @inlinable func arguments(expecting count: Int, of name: String) throws(ValueError)
    -> ArgumentReader
  {
    guard Int(invocation.pointee.argument_count) == count else {
      throw miscounted(expecting: count, of: name)
    }
    return ArgumentReader(next: invocation.pointee.arguments)
  }

  @usableFromInline func miscounted(expecting count: Int, of name: String) -> ValueError {
    ValueError(
      path: name, expected: count == 1 ? "1 argument" : "\(count) arguments",
      found: "\(invocation.pointee.argument_count)")
  }
}

/// Decodes arguments in order.
@usableFromInline struct ArgumentReader {
  @usableFromInline var next: UnsafePointer<cb_value>?
  @usableFromInline var index = 0

  @inlinable init(next: UnsafePointer<cb_value>?) {
    self.next = next
  }

  @inlinable mutating func read<V: Value>(_ type: V.Type) throws(ValueError) -> V {
    index += 1
    guard let argument = next?.pointee, let encoding = argument.encodingCase else {
      throw unknownEncoding()
    }
    next = next.map { $0 + 1 }
    do throws(ValueError) {
      return try V(encoding: encoding, bytes: argument.block)
    } catch {
      throw atArgument(error)
    }
  }

  @usableFromInline func unknownEncoding() -> ValueError {
    let found = next.map { "\($0.pointee.encoding)" } ?? "no argument"
    return atArgument(ValueError(expected: "a known encoding", found: found))
  }

  @usableFromInline func atArgument(_ error: ValueError) -> ValueError {
    error.inside("argument \(index)")
  }
}

/// How a call is answered.
@usableFromInline struct Reply: Sendable {
  @usableFromInline let hostCall: HostCall

  @inlinable init(hostCall: HostCall) {
    self.hostCall = hostCall
  }

  @inlinable func result(_ value: some Value) -> cb_outcome {
    // Room for a scalar and most short texts at once, instead of growing to it.
    var writer = NativeWriter(reserving: 64, bytesMax: ValueLimits.bytesMax)
    do throws(ValueError) {
      try value.encode(into: &writer)
    } catch {
      return unencodable(error)
    }
    guard writer.excess == 0 else { return tooLarge(writer.excess) }
    let status = writer.bytes.withNative {
      hostCall.table.pointee.result(hostCall.table, hostCall.call, $0)
    }
    return status == cb_status(CB_OK) ? cb_outcome(CB_DONE) : refused(status)
  }

  @usableFromInline func unencodable(_ error: ValueError) -> cb_outcome {
    fail(CB_CODE_FUNCTION_FAILED, error.inside("result").description)
  }

  @usableFromInline func tooLarge(_ byteCount: Int) -> cb_outcome {
    fail(
      CB_CODE_RESULT_TOO_LARGE,
      "the result has \(byteCount) bytes, more than the \(ValueLimits.bytesMax) a value may have")
  }

  @usableFromInline func refused(_ status: cb_status) -> cb_outcome {
    let code = HostError.Code(status: status) ?? .internal
    return fail(code.failureCode, "result: the host refused it")
  }

  @usableFromInline func misfit(_ error: ValueError) -> cb_outcome {
    fail(CB_CODE_BAD_ARGUMENT, error.description)
  }

  @usableFromInline func fail(_ code: String, _ message: String) -> cb_outcome {
    code.withText { code in
      message.withText { message in
        _ = hostCall.table.pointee.fail(hostCall.table, hostCall.call, code, message)
      }
    }
    return cb_outcome(CB_FAILED)
  }

  @usableFromInline func fail(_ error: any Error) -> cb_outcome {
    switch error {
    case let error as HostError: fail(error.code.failureCode, error.description)
    case let error as SetupError: fail(CB_CODE_SET_UP_FAILED, Self.describe(error.cause))
    default: fail(CB_CODE_FUNCTION_FAILED, Self.describe(error))
    }
  }

  @usableFromInline func complete() {
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
@usableFromInline struct NoResult: Value {
  @usableFromInline static var valueTypeName: String { "Void" }
  @inlinable init() {}
  @usableFromInline init(from reader: inout NativeReader) throws(ValueError) {
    guard reader.take(.null) else { throw reader.mismatch(expected: "Void") }
  }
  @inlinable func encode(into writer: inout NativeWriter) throws(ValueError) {
    writer.write(.null)
  }
}
