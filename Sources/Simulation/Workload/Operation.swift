import ClusterModel
import Lattices
import WireProtocol

/// One thing a client does, to the store itself or through a function.
struct Operation {
  enum Kind {
    case read(Key)
    /// Nil deletes.
    case write(Key, Bytes?)
    case add(Key, Int64)
    case insert(Key, Bytes)
    case run(String)
  }

  let kind: Kind
  /// Nil: the request goes to the store.
  var function: String?
  var isSubmitted = false
  /// Nil is the cluster's default.
  var level: WriteLevel?
  /// A call's.
  var timeLimit: Duration = .milliseconds(800)

  var key: Key? {
    switch kind {
    case .read(let key), .write(let key, _), .add(let key, _), .insert(let key, _): key
    case .run: nil
    }
  }
}

extension Operation: CustomStringConvertible {
  /// As in `put own/1/3 = 1.7 through a function at durable`.
  var description: String {
    let what =
      switch kind {
      case .read(let key): "get \(key)"
      case .write(let key, let value?): "put \(key) = \(value.text)"
      case .write(let key, nil): "delete \(key)"
      case .add(let key, let delta): "add \(delta) to \(key)"
      case .insert(let key, let element): "insert \(element.text) into \(key)"
      case .run(let name): "run \(name)"
      }
    let how = function == nil ? "" : isSubmitted ? ", submitted" : " through a function"
    return what + how + (level.map { " at \($0)" } ?? "")
  }
}

/// Which keys there are and what they hold: by their names.
enum SimulatedKeys {
  static func register(_ client: Int, _ number: UInt64) -> Key { Key("own/\(client)/\(number)") }
  static func counter(_ number: UInt64) -> Key { Key("counter/\(number)") }
  static func set(_ number: UInt64) -> Key { Key("set/\(number)") }
}

extension Operation {
  /// Draws what a client does next.
  static func drawn(
    by client: Int, counting number: UInt64, hasCompute: Bool,
    using chance: inout SplitMix64, profile: Profile
  ) -> Operation {
    // One register is as hot as the others together.
    let register = chance.oneIn(2) ? 0 : chance.draw(1...3)
    let key = SimulatedKeys.register(client, register)
    let value = Bytes(text: "\(client).\(number)")
    var operation: Operation
    switch chance.draw(0...99) {
    case 0..<30: operation = Operation(kind: .write(key, value))
    case 30..<38: operation = Operation(kind: .write(key, nil))
    case 38..<49: operation = Operation(kind: .read(key))
    case 49..<58:
      let other = Int(chance.draw(0...UInt64(profile.clients - 1)))
      operation = Operation(kind: .read(SimulatedKeys.register(other, register)))
    case 58..<70:
      let counter = SimulatedKeys.counter(chance.draw(0...1))
      operation = Operation(kind: .add(counter, Int64(chance.draw(1...3))))
    case 70..<76: operation = Operation(kind: .read(SimulatedKeys.counter(chance.draw(0...1))))
    case 76..<84: operation = Operation(kind: .insert(SimulatedKeys.set(chance.draw(0...1)), value))
    case 84..<88: operation = Operation(kind: .read(SimulatedKeys.set(chance.draw(0...1))))
    default: operation = Operation(kind: .run(SimulatedFunction.trouble(using: &chance)))
    }
    if chance.oneIn(4) { operation.level = .accepted }
    if profile.hasLog, chance.oneIn(8) { operation.level = .durable }
    guard hasCompute else { return operation }
    if chance.oneIn(2) || operation.key == nil {
      operation.function = SimulatedFunction.name(for: operation.kind)
    }
    if operation.function != nil, chance.oneIn(12) { operation.level = .cached }
    operation.isSubmitted = operation.function != nil && chance.oneIn(6)
    operation.timeLimit = .milliseconds(Int64(chance.draw(150...1500)))
    return operation
  }
}
