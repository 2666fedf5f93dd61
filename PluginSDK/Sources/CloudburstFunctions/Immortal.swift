/// A C table that its maker neither changes nor frees while the process lives.
// SAFETY: cloudburst.h promises both for cb_host, cb_bundle and cb_function, so any thread may read.
@usableFromInline package struct Immortal<Table>: @unchecked Sendable {
  @usableFromInline package let pointer: UnsafePointer<Table>

  @inlinable package init(pointer: UnsafePointer<Table>) {
    self.pointer = pointer
  }
}

/// The host's end of one call.
@usableFromInline struct HostCall: Sendable {
  @usableFromInline let host: Immortal<cb_host>
  @usableFromInline let call: cb_call

  @inlinable init(host: Immortal<cb_host>, call: cb_call) {
    self.host = host
    self.call = call
  }

  @inlinable var table: UnsafePointer<cb_host> { host.pointer }

  /// Turns a refusal into an error; CB_OK and other answers pass.
  @discardableResult
  func check(_ status: cb_status, _ operation: @autoclosure () -> String) throws -> cb_status {
    guard let code = HostError.Code(status: status) else { return status }
    throw HostError(code: code, operation: operation(), detail: lastError)
  }

  private var lastError: String {
    String(text: table.pointee.last_error(table, call))
  }
}

extension String {
  package init(text: cb_text) {
    let bytes = UnsafeRawBufferPointer(start: text.bytes, count: text.count)
    self.init(decoding: bytes, as: UTF8.self)
  }

  /// The text as C sees it, borrowed for the closure.
  func withText<T>(_ body: (cb_text) throws -> T) rethrows -> T {
    var copy = self
    return try copy.withUTF8 { utf8 in
      try utf8.withMemoryRebound(to: CChar.self) { characters in
        try body(cb_text(bytes: characters.baseAddress, count: characters.count))
      }
    }
  }
}

extension Array where Element == UInt8 {
  /// The bytes as C sees them, borrowed for the closure.
  @inlinable func withNative<T>(_ body: (UnsafePointer<cb_value>) throws -> T) rethrows -> T {
    try withUnsafeBufferPointer { buffer in
      var value = cb_value(
        bytes: buffer.baseAddress, count: buffer.count, encoding: UInt32(CB_ENCODING_NATIVE),
        reserved: 0)
      return try body(&value)
    }
  }
}
