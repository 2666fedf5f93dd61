import CloudburstFunctions
import Synchronization

/// The C table of a `TestHost`: checks what an executor checks, then acts on the store.
enum HostTable {
  private static let known = Mutex<[ObjectIdentifier: Immortal<cb_host>]>([:])

  static func of(_ host: TestHost) -> Immortal<cb_host> {
    known.withLock { known in
      if let table = known[ObjectIdentifier(host)] { return table }
      let table = Immortal(pointer: UnsafePointer(make(host)))
      known[ObjectIdentifier(host)] = table
      return table
    }
  }

  private static func make(_ host: TestHost) -> UnsafeMutablePointer<cb_host> {
    var table = cb_host()
    table.struct_size = UInt32(MemoryLayout<cb_host>.size)
    table.abi_version = UInt32(CB_ABI_VERSION)
    table.instance = Unmanaged.passRetained(host).toOpaque()
    table.result = { on($0, $1)?.result($1, $2) ?? refused($0, $1) }
    table.fail = { on($0, $1)?.fail($1, $2, $3) ?? refused($0, $1) }
    table.complete = { on($0, $1)?.complete($1) ?? refused($0, $1) }
    table.post = { testHost($0)?.post($1, $2) ?? cb_status(CB_INVALID) }
    table.request = { on($0, $1)?.request($1, $2, $3, $4) ?? refused($0, $1) }
    table.request_blocking = { on($0, $1)?.requestBlocking($1, $2, $3, $4) ?? refused($0, $1) }
    table.get = { on($0, $1)?.get($1, $2, $3, $4) ?? refused($0, $1) }
    table.put = { on($0, $1)?.put($1, $2, $3) ?? refused($0, $1) }
    table.remove = { on($0, $1)?.change($1, $2, .remove) ?? refused($0, $1) }
    table.update = { on($0, $1)?.update($1, $2, $3) ?? refused($0, $1) }
    table.log = { on($0, $1)?.log($1, $2, $3) ?? refused($0, $1) }
    table.deadline_remaining = { on($0, $1)?.remaining() ?? Int64(refused($0, $1)) }
    table.last_error = { on($0, $1)?.lastError($1) ?? cb_text(bytes: nil, count: 0) }
    let memory = UnsafeMutablePointer<cb_host>.allocate(capacity: 1)
    memory.initialize(to: table)
    return memory
  }
}

// Free functions, because a C function pointer must not capture, not even `Self`.

private func testHost(_ table: UnsafePointer<cb_host>?) -> TestHost? {
  guard let instance = table?.pointee.instance else { return nil }
  return Unmanaged<TestHost>.fromOpaque(instance).takeUnretainedValue()
}

/// The host, if the caller is on its loop and the call goes on.
private func on(_ table: UnsafePointer<cb_host>?, _ call: cb_call) -> TestHost? {
  guard let host = testHost(table), host.loop.isCurrent else { return nil }
  return host.state.withLock { $0.calls[call] != nil } ? host : nil
}

private func refused(_ table: UnsafePointer<cb_host>?, _ call: cb_call) -> cb_status {
  guard let host = testHost(table) else { return cb_status(CB_INVALID) }
  return cb_status(host.loop.isCurrent ? CB_STALE_CALL : CB_WRONG_THREAD)
}

extension TestHost {
  fileprivate func result(_ call: cb_call, _ value: UnsafePointer<cb_value>?) -> cb_status {
    guard let value = value.flatMap({ EncodedValue($0.pointee) }) else {
      return cb_status(CB_INVALID)
    }
    return settle(call, .success(value))
  }

  fileprivate func fail(_ call: cb_call, _ code: cb_text, _ message: cb_text) -> cb_status {
    settle(
      call, .failure(CallFailure(code: String(text: code), message: String(text: message))))
  }

  private func settle(_ call: cb_call, _ outcome: Result<EncodedValue, CallFailure>) -> cb_status {
    state.withLock { state in
      guard state.calls[call]?.outcome == nil else { return cb_status(CB_INVALID) }
      state.calls[call]?.outcome = outcome
      return cb_status(CB_OK)
    }
  }

  fileprivate func complete(_ call: cb_call) -> cb_status {
    end(call)
    return cb_status(CB_OK)
  }

  fileprivate func post(
    _ thunk: (@convention(c) (UnsafeMutableRawPointer?) -> Void)?,
    _ context: UnsafeMutableRawPointer?
  ) -> cb_status {
    guard let thunk else { return cb_status(CB_INVALID) }
    let bits = UInt(bitPattern: context)
    let isTaken = loop.post { thunk(UnsafeMutableRawPointer(bitPattern: bits)) }
    return cb_status(isTaken ? CB_OK : CB_UNAVAILABLE)
  }

  fileprivate func request(
    _ call: cb_call, _ operation: UInt32, _ input: cb_value, _ token: UInt64
  ) -> cb_status {
    guard Int(operation) == CB_OPERATION_GET else { return cb_status(CB_UNSUPPORTED) }
    let key = String(text: input)
    loop.post { [self] in
      var stored = cb_stored.empty
      let resume = bundle.pointer.pointee.resume
      guard state.withLock({ $0.calls[call] != nil }) else {
        resume?(token, cb_status(CB_STALE_CALL), nil)
        return
      }
      let status = read(call, key, &stored)
      resume?(token, status, &stored)
    }
    return cb_status(CB_OK)
  }

  fileprivate func requestBlocking(
    _ call: cb_call, _ operation: UInt32, _ input: cb_value, _ reply: UnsafeMutableRawPointer?
  ) -> cb_status {
    guard Int(operation) == CB_OPERATION_GET else { return cb_status(CB_UNSUPPORTED) }
    guard let reply else { return cb_status(CB_INVALID) }
    return read(call, String(text: input), reply.assumingMemoryBound(to: cb_stored.self))
  }

  fileprivate func get(
    _ call: cb_call, _ key: cb_text, _ flags: UInt32, _ stored: UnsafeMutablePointer<cb_stored>?
  ) -> cb_status {
    guard let stored else { return cb_status(CB_INVALID) }
    if store.isRemote, flags & UInt32(CB_NO_WAIT) != 0 { return cb_status(CB_WOULD_WAIT) }
    return read(call, String(text: key), stored)
  }

  private func read(
    _ call: cb_call, _ key: String, _ stored: UnsafeMutablePointer<cb_stored>
  ) -> cb_status {
    if let failure = store.failure { return refuse(call, failure, "the store was told to fail") }
    guard let record = store[key] else { return cb_status(CB_MISSING) }
    state.withLock { state in
      let bytes = OwnedBytes(record.bytes)
      record.fill(stored, bytes)
      state.calls[call]?.borrowed = bytes
    }
    return cb_status(CB_OK)
  }

  fileprivate func put(
    _ call: cb_call, _ key: cb_text, _ value: UnsafePointer<cb_value>?
  ) -> cb_status {
    guard let value = value.flatMap({ EncodedValue($0.pointee) }) else {
      return cb_status(CB_INVALID)
    }
    return change(call, key, .put(value))
  }

  fileprivate func update(
    _ call: cb_call, _ key: cb_text, _ update: UnsafePointer<cb_update>?
  ) -> cb_status {
    guard let update = update?.pointee else { return cb_status(CB_INVALID) }
    switch Int(update.kind) {
    case CB_UPDATE_COUNTER_ADD:
      return change(call, key, .add(update.integer))
    case CB_UPDATE_SET_ADD:
      guard let element = EncodedValue(update.value) else { return cb_status(CB_INVALID) }
      return change(call, key, .insert(element))
    default:
      return cb_status(CB_UNSUPPORTED)
    }
  }

  fileprivate func change(
    _ call: cb_call, _ key: cb_text, _ change: TestStore.Change
  ) -> cb_status {
    guard key.count > 0 else { return refuse(call, .keyInvalid, "an empty key") }
    guard let code = store.change(String(text: key), change) else { return cb_status(CB_OK) }
    let detail = code == .lattice ? "the key holds another kind" : "the store was told to fail"
    return refuse(call, code, detail)
  }

  private func refuse(_ call: cb_call, _ code: HostError.Code, _ detail: String) -> cb_status {
    state.withLock { $0.calls[call]?.lastError = OwnedBytes(Array(detail.utf8)) }
    return code.status
  }

  fileprivate func log(_ call: cb_call, _ level: UInt32, _ message: cb_text) -> cb_status {
    guard let level = LogLine.Level(rawValue: level) else { return cb_status(CB_INVALID) }
    state.withLock { state in
      let function = state.calls[call]?.invocation.functionName ?? ""
      state.log.append(LogLine(level: level, function: function, message: String(text: message)))
    }
    return cb_status(CB_OK)
  }

  fileprivate func remaining() -> Int64 {
    guard let deadline else { return Int64.max }
    return deadline.nanosecondsLeft
  }

  fileprivate func lastError(_ call: cb_call) -> cb_text {
    state.withLock { $0.calls[call]?.lastError.text ?? cb_text(bytes: nil, count: 0) }
  }
}

extension TestStore.Stored {
  fileprivate var bytes: [UInt8] {
    switch self {
    case .value(let value): value.bytes
    case .counter: []
    case .set(let elements, _):
      elements.sorted { $0.lexicographicallyPrecedes($1) }.flatMap { element in
        withUnsafeBytes(of: UInt32(element.count).littleEndian) { Array($0) } + element
      }
    }
  }

  fileprivate func fill(
    _ stored: UnsafeMutablePointer<cb_stored>, _ bytes: OwnedBytes
  ) {
    stored.pointee.flags = 0
    stored.pointee.value.bytes = bytes.pointer
    stored.pointee.value.count = bytes.count
    switch self {
    case .value(let value):
      stored.pointee.lattice = UInt32(CB_LATTICE_LWW)
      stored.pointee.value.encoding = UInt32(value.encoding.rawValue)
    case .counter(let sum):
      stored.pointee.lattice = UInt32(CB_LATTICE_COUNTER)
      stored.pointee.integer = sum
    case .set(let elements, let encoding):
      stored.pointee.lattice = UInt32(CB_LATTICE_SET)
      stored.pointee.value.encoding = UInt32(encoding.rawValue)
      stored.pointee.element_count = UInt32(elements.count)
    }
  }
}

extension EncodedValue {
  init?(_ value: cb_value) {
    guard let encoding = value.encodingCase else { return nil }
    self.init(encoding: encoding, bytes: Array(value.block))
  }
}

extension String {
  init(text value: cb_value) {
    self.init(decoding: value.block, as: UTF8.self)
  }
}

extension Duration {
  /// Whole nanoseconds, not below zero, at most `Int64.max`.
  fileprivate var nanosecondsLeft: Int64 {
    let (seconds, attoseconds) = components
    let (nanoseconds, isTooMany) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
    let (sum, isAbove) = nanoseconds.addingReportingOverflow(attoseconds / 1_000_000_000)
    return isTooMany || isAbove ? (seconds < 0 ? 0 : .max) : max(0, sum)
  }
}
