import CloudburstFunctions
import Synchronization

/// The host's side of the C interface, over a `TestStore`.
///
/// A host and its table are never freed, as cloudburst.h promises to bundles.
final class TestHost: Sendable {
  struct Call {
    let invocation: OwnedInvocation
    let finish: @Sendable (Result<EncodedValue, any Error>) -> Void
    var outcome: Result<EncodedValue, CallFailure>?
    var lastError = OwnedBytes([])
    var borrowed = OwnedBytes([])
  }
  struct State {
    var calls: [cb_call: Call] = [:]
    var latest: cb_call = 0
    var deadline: Duration?
    var log: [LogLine] = []
    var seed: UInt64
  }

  let loop = Loop()
  let store: TestStore
  let bundle: Immortal<cb_bundle>
  let state: Mutex<State>

  init(bundle: Immortal<cb_bundle>, store: TestStore, seed: UInt64) {
    self.bundle = bundle
    self.store = store
    state = Mutex(State(seed: seed))
  }

  var deadline: Duration? {
    get { state.withLock { $0.deadline } }
    set { state.withLock { $0.deadline = newValue } }
  }
  var log: [LogLine] { state.withLock { $0.log } }

  func start(
    _ function: Immortal<cb_function>, _ arguments: [EncodedValue],
    _ finish: @escaping @Sendable (Result<EncodedValue, any Error>) -> Void
  ) {
    let table = HostTable.of(self)
    let isTaken = loop.post { [self] in
      let call = state.withLock { state in
        state.latest += 1
        state.seed &+= 0x9E37_79B9_7F4A_7C15
        let invocation = OwnedInvocation(state.latest, function, arguments, seed: state.seed)
        state.calls[state.latest] = Call(invocation: invocation, finish: finish)
        return (state.latest, invocation)
      }
      let outcome = function.pointer.pointee.invoke(table.pointer, call.1.pointer)
      if Int(outcome) != CB_PENDING { end(call.0) }
    }
    if !isTaken { finish(.failure(CallFailure(code: "UNAVAILABLE", message: "the loop ended"))) }
  }

  /// Ends a call with what it was given as its outcome.
  func end(_ id: cb_call) {
    guard let call = state.withLock({ $0.calls.removeValue(forKey: id) }) else { return }
    let silence = CallFailure(
      code: "INTERNAL_ERROR", message: "the function gave neither result nor error")
    call.finish((call.outcome ?? .failure(silence)).mapError { $0 })
  }
}

/// What `invoke` borrows, kept until the call is over.
final class OwnedInvocation: Sendable {
  private let memory: Immortal<cb_invocation>
  private let argumentBytes: [OwnedBytes]
  var pointer: UnsafePointer<cb_invocation> { memory.pointer }
  var functionName: String { String(text: pointer.pointee.function.pointee.name) }

  init(
    _ call: cb_call, _ function: Immortal<cb_function>, _ arguments: [EncodedValue], seed: UInt64
  ) {
    let values = UnsafeMutablePointer<cb_value>.allocate(capacity: max(1, arguments.count))
    let blocks = arguments.map { OwnedBytes($0.bytes) }
    for (index, argument) in arguments.enumerated() {
      (values + index).initialize(
        to: cb_value(
          bytes: blocks[index].pointer, count: blocks[index].count,
          encoding: UInt32(argument.encoding.rawValue),
          reserved: 0))
    }
    argumentBytes = blocks
    let id = UnsafeMutablePointer<UInt8>.allocate(capacity: 16)
    for index in 0..<8 {
      id[index] = UInt8(truncatingIfNeeded: seed >> (56 - 8 * UInt64(index)))
      id[index + 8] = UInt8(truncatingIfNeeded: call >> (56 - 8 * UInt64(index)))
    }
    let memory = UnsafeMutablePointer<cb_invocation>.allocate(capacity: 1)
    memory.initialize(
      to: cb_invocation(
        struct_size: UInt32(MemoryLayout<cb_invocation>.size),
        argument_count: UInt32(arguments.count), call: call, function: function.pointer,
        arguments: values, id: id, attempt: 1, reserved: 0))
    self.memory = Immortal(pointer: memory)
  }

  deinit {
    pointer.pointee.arguments.deallocate()
    pointer.pointee.id.deallocate()
    pointer.deallocate()
  }
}

/// Bytes that C may read while this lives.
final class OwnedBytes: Sendable {
  private let memory: Immortal<UInt8>
  let count: Int
  var pointer: UnsafePointer<UInt8> { memory.pointer }

  init(_ bytes: [UInt8]) {
    let copy = UnsafeMutablePointer<UInt8>.allocate(capacity: max(1, bytes.count))
    copy.initialize(from: bytes, count: bytes.count)
    memory = Immortal(pointer: copy)
    count = bytes.count
  }
  deinit {
    pointer.deallocate()
  }
  var text: cb_text {
    cb_text(bytes: UnsafeRawPointer(pointer).assumingMemoryBound(to: CChar.self), count: count)
  }
}
