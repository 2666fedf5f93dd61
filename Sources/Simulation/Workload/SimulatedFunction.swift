import ClusterModel
import Lattices
import WireProtocol

/// The functions of the simulated bundle. Their arguments are raw texts; their bodies are lists of
/// steps that the simulated executor performs as a plugin host would.
enum SimulatedFunction {
  enum Step {
    case read(Key)
    case write(CacheWrite)
    /// Keeps the executor's thread busy.
    case work(UInt64)
    /// Gives control back for a while, as an `await` does.
    case suspend(UInt64)
    case fail
    case crash
    case exit
    case loopForever
  }

  static let names = [
    "noop", "get", "put", "delete", "add", "insert", "fail", "crash", "crash-once", "exit",
    "endless", "put-and-get",
  ]

  static func trouble(using chance: inout SplitMix64) -> String {
    switch chance.draw(0...19) {
    case 0..<9: "noop"
    case 9..<12: "fail"
    case 12..<15: "crash"
    case 15..<17: "crash-once"
    case 17..<18: "exit"
    default: "endless"
    }
  }

  static func name(for kind: Operation.Kind) -> String {
    switch kind {
    case .read: "get"
    case .write(_, let value): value == nil ? "delete" : "put"
    case .add: "add"
    case .insert: "insert"
    case .run(let name): name
    }
  }

  static func arguments(for kind: Operation.Kind) -> [Bytes] {
    switch kind {
    case .read(let key): [key.bytes]
    case .write(let key, let value): value.map { [key.bytes, $0] } ?? [key.bytes]
    case .add(let key, let delta): [key.bytes, Bytes(text: "\(delta)")]
    case .insert(let key, let element): [key.bytes, element]
    case .run: []
    }
  }

  static func parameterCount(of name: String) -> UInt32 {
    switch name {
    case "get", "delete": 1
    case "put", "add", "insert", "put-and-get": 2
    default: 0
    }
  }

  /// What a body does, step by step. Its result is what its last read found, or nothing.
  static func steps(
    of name: String, _ arguments: [Bytes], attempt: UInt32, using chance: inout SplitMix64
  ) -> [Step] {
    let work = Step.work(chance.draw(.microseconds(1)...(.milliseconds(chance.oneIn(10) ? 40 : 1))))
    let pause: [Step] =
      chance.oneIn(6) ? [.suspend(chance.draw(.microseconds(10)...(.milliseconds(30))))] : []
    // A body may die after any of its writes.
    let end: [Step] = chance.oneIn(60) ? [.crash] : []
    guard let key = arguments.first.map(Key.init(trusted:)) else {
      return [work] + troubled(name, attempt: attempt)
    }
    return [work] + pause + body(of: name, key, arguments) + pause + end
  }

  private static func troubled(_ name: String, attempt: UInt32) -> [Step] {
    switch name {
    case "fail": [.fail]
    case "crash": [.crash]
    case "crash-once": attempt == 1 ? [.crash] : []
    case "exit": [.exit]
    case "endless": [.loopForever]
    default: []
    }
  }

  private static func body(of name: String, _ key: Key, _ arguments: [Bytes]) -> [Step] {
    switch name {
    case "get": return [.read(key)]
    case "delete": return [.write(CacheWrite(key: key, kind: .delete))]
    case "put", "put-and-get":
      var write = CacheWrite(key: key, kind: .put)
      write.value = arguments[1]
      return name == "put" ? [.write(write)] : [.write(write), .read(key)]
    case "add":
      var write = CacheWrite(key: key, kind: .addToCounter)
      write.delta = Int64(arguments[1].text) ?? 0
      return [.write(write)]
    case "insert":
      var write = CacheWrite(key: key, kind: .addToSet)
      write.value = GrowSet([arguments[1]]).serialized()[...]
      return [.write(write)]
    default: return []
    }
  }
}
