import ClusterModel
import WireProtocol

@testable import AnnaDoor

/// A door at a time of the test's choosing, before a store that the test plays.
struct DoorHarness {
  static let endpoint = "tcp://127.0.0.1:46200"

  var door: AnnaDoor
  var now: UInt64 = 1_000_000_000

  init(limits: AnnaDoor.Limits = AnnaDoor.Limits(), storeIsReady: Bool = true) {
    door = AnnaDoor(endpoints: [Self.endpoint], limits: limits)
    if storeIsReady { _ = step(.storeReady) }
  }

  mutating func step(_ input: AnnaDoor.Input) -> [AnnaDoor.Effect] {
    var effects: [AnnaDoor.Effect] = []
    door.step(input, at: now, into: &effects)
    return effects
  }

  mutating func advance(_ duration: Duration) { now += duration.wholeNanoseconds }

  /// What the store is asked for a frame that came to the key endpoint.
  mutating func questions(_ frame: Bytes) -> [KeyRequest] { step(.keyRequest(frame)).questions }

  /// Sends a frame, lets the store answer, and gives what the client gets.
  mutating func answers(_ frame: Bytes, storeSays tuples: KeyTuple...) -> [Bytes] {
    let asked = step(.keyRequest(frame))
    guard case .ask(let request, let number)? = asked.first(where: \.isQuestion) else {
      return asked.answers
    }
    var response = KeyResponse()
    response.type = request.type
    response.tuples = tuples
    return step(.storeAnswered(response, number: number)).answers
  }

  static func found(_ key: String, _ record: Record) -> KeyTuple {
    var tuple = KeyTuple(key: Key(key))
    tuple.record = record.encoded()
    return tuple
  }

  static func failed(_ key: String, _ code: ErrorCode) -> KeyTuple {
    var tuple = KeyTuple(key: Key(key))
    tuple.failure = Failure(code, "as the test says")
    return tuple
  }
}

extension AnnaDoor.Effect {
  var isQuestion: Bool { if case .ask = self { true } else { false } }
}

extension [AnnaDoor.Effect] {
  var questions: [KeyRequest] {
    compactMap { if case .ask(let request, _) = $0 { request } else { nil } }
  }

  var answers: [Bytes] {
    compactMap { if case .answer(let frame, _) = $0 { frame[...] } else { nil } }
  }

  var dialled: [String] {
    compactMap { if case .dial(let address) = $0 { address.description } else { nil } }
  }

  var hungUp: [String] {
    compactMap { if case .hangUp(let address) = $0 { address.description } else { nil } }
  }
}

/// Bytes written in hexadecimal.
func bytes(_ hex: String) -> Bytes {
  var bytes = Bytes()
  var rest = Substring(hex)
  while !rest.isEmpty {
    bytes.append(UInt8(rest.prefix(2), radix: 16) ?? 0)
    rest = rest.dropFirst(2)
  }
  return bytes
}
