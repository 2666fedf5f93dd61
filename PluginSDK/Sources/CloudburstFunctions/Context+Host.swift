extension Context {
  func update(_ key: String, _ update: inout cb_update) throws {
    update.struct_size = UInt32(MemoryLayout<cb_update>.size)
    try key.withText { text in
      let status = hostCall.table.pointee.update(hostCall.table, hostCall.call, text, &update)
      try hostCall.check(status, "update \"\(key)\"")
    }
  }

  /// Reads a key and decodes what it holds while the bytes are borrowed; `nil` if it is missing.
  func read<T>(_ key: String, _ decode: (cb_stored) throws -> T) throws -> T? {
    var stored = cb_stored.empty
    let status = try key.withText { text in
      let status = hostCall.table.pointee.get(hostCall.table, hostCall.call, text, 0, &stored)
      return try hostCall.check(status, "get \"\(key)\"")
    }
    return status == cb_status(CB_MISSING) ? nil : try decode(stored)
  }

  func read<T: Sendable>(
    _ key: String, _ decode: @escaping @Sendable (cb_stored) throws -> T
  ) async throws -> T? {
    var stored = cb_stored.empty
    let status = try key.withText { text in
      let flags = UInt32(CB_NO_WAIT)
      let status = hostCall.table.pointee.get(hostCall.table, hostCall.call, text, flags, &stored)
      return try hostCall.check(status, "get \"\(key)\"")
    }
    switch Int(status) {
    case CB_MISSING: return nil
    case CB_WOULD_WAIT: return try await fetch(key, decode)
    default: return try decode(stored)
    }
  }

  private func fetch<T: Sendable>(
    _ key: String, _ decode: @escaping @Sendable (cb_stored) throws -> T
  ) async throws -> T? {
    try await withCheckedThrowingContinuation { (waiting: CheckedContinuation<T?, any Error>) in
      let request = PendingRequest { status, reply in
        waiting.resume(
          with: Result {
            if Int(status) == CB_MISSING { return nil }
            if let code = HostError.Code(status: status) {
              throw HostError(code: code, operation: "get \"\(key)\"")
            }
            guard let reply else { throw HostError(code: .internal, operation: "get \"\(key)\"") }
            return try decode(reply.load(as: cb_stored.self))
          })
      }
      request.start(self, operation: UInt32(CB_OPERATION_GET), input: key)
    }
  }
}

/// A request that the host has yet to answer; its address is the token.
final class PendingRequest: Sendable {
  private let answer: @Sendable (cb_status, UnsafeRawPointer?) -> Void

  init(answer: @escaping @Sendable (cb_status, UnsafeRawPointer?) -> Void) {
    self.answer = answer
  }

  func start(_ context: Context, operation: UInt32, input: String) {
    let token = Unmanaged.passRetained(self)
    let bits = UInt64(UInt(bitPattern: token.toOpaque()))
    let hostCall = context.hostCall
    let status = input.withText { text in
      let bytes = UnsafeRawPointer(text.bytes)?.assumingMemoryBound(to: UInt8.self)
      let input = cb_value(
        bytes: bytes, count: text.count, encoding: UInt32(CB_ENCODING_RAW), reserved: 0)
      return hostCall.table.pointee.request(hostCall.table, hostCall.call, operation, input, bits)
    }
    if status != cb_status(CB_OK) { token.takeRetainedValue().answer(status, nil) }
  }

  /// The bundle's `resume`.
  static let resume: @convention(c) (UInt64, cb_status, UnsafeRawPointer?) -> Void = {
    token, status, reply in
    guard let pointer = UnsafeRawPointer(bitPattern: UInt(token)) else { return }
    Unmanaged<PendingRequest>.fromOpaque(pointer).takeRetainedValue().answer(status, reply)
  }
}

extension cb_stored {
  package static var empty: cb_stored {
    var stored = cb_stored()
    stored.struct_size = UInt32(MemoryLayout<cb_stored>.size)
    return stored
  }

  func value<V: Value>(of key: String) throws -> V {
    try require(CB_LATTICE_LWW, "a value", key)
    return try decode(value.block, key)
  }

  func counter(of key: String) throws -> Int {
    try require(CB_LATTICE_COUNTER, "a counter", key)
    return Int(integer)
  }

  func elements<V: Value & Hashable>(of key: String) throws -> Set<V> {
    try require(CB_LATTICE_SET, "a set", key)
    var elements: Set<V> = []
    var rest = value.block[...]
    while rest.count >= 4 {
      let lengthBytes = UnsafeRawBufferPointer(rebasing: rest.prefix(4))
      let length = Int(UInt32(littleEndian: lengthBytes.loadUnaligned(as: UInt32.self)))
      rest = rest.dropFirst(4)
      guard length <= rest.count else { break }
      elements.insert(try decode(UnsafeRawBufferPointer(rebasing: rest.prefix(length)), key))
      rest = rest.dropFirst(length)
    }
    return elements
  }

  private func decode<V: Value>(_ block: UnsafeRawBufferPointer, _ key: String) throws -> V {
    guard let encoding = value.encodingCase else {
      throw HostError(
        code: .internal, operation: "get \"\(key)\"", detail: "unknown encoding \(value.encoding)")
    }
    do throws(ValueError) {
      return try V(encoding: encoding, bytes: block)
    } catch {
      throw error.inside("the value of \"\(key)\"")
    }
  }

  private func require(_ wanted: Int, _ name: String, _ key: String) throws {
    guard Int(lattice) != wanted else { return }
    let found =
      switch Int(lattice) {
      case CB_LATTICE_LWW: "a value"
      case CB_LATTICE_COUNTER: "a counter"
      case CB_LATTICE_SET: "a set"
      default: "lattice type \(lattice)"
      }
    throw HostError(
      code: .lattice, operation: "get \"\(key)\"",
      detail: "expected \(name), the key holds \(found)")
  }
}

extension cb_value {
  @inlinable package var block: UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: bytes, count: count)
  }

  /// `nil` for an encoding this SDK does not know.
  @inlinable package var encodingCase: ValueEncoding? {
    UInt8(exactly: encoding).flatMap(ValueEncoding.init)
  }
}
