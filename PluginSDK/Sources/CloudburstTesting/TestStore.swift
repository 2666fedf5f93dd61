public import CloudburstFunctions
import Synchronization

/// The store of a harness: in memory, single copy, the same kinds and refusals as the real one.
public final class TestStore: Sendable {
  /// What a key holds.
  public enum Stored: Hashable, Sendable {
    case value(EncodedValue)
    case counter(Int64)
    /// Encoded elements; one set holds one encoding.
    case set(Set<[UInt8]>, ValueEncoding)
  }

  private struct State {
    var records: [String: Stored] = [:]
    var failure: HostError.Code?
    var isRemote = false
  }
  private let state = Mutex(State())

  init() {}

  /// Makes every access fail with this code; `nil` ends that.
  public var failure: HostError.Code? {
    get { state.withLock { $0.failure } }
    set { state.withLock { $0.failure = newValue } }
  }

  /// Makes reads of async bodies wait, as they do when a value is not cached on the node.
  public var isRemote: Bool {
    get { state.withLock { $0.isRemote } }
    set { state.withLock { $0.isRemote = newValue } }
  }

  /// All keys that hold something, in ascending order.
  public var keys: [String] { state.withLock { $0.records.keys.sorted() } }

  public subscript(key: String) -> Stored? {
    get { state.withLock { $0.records[key] } }
    set { state.withLock { $0.records[key] = newValue } }
  }

  public func put(_ key: String, _ value: some Value) throws {
    self[key] = .value(try EncodedValue(value))
  }

  /// The value of the key, `nil` if it is missing or no value.
  public func value<V: Value>(_ key: String, as type: V.Type = V.self) throws -> V? {
    guard case .value(let encoded) = self[key] else { return nil }
    return try encoded.decode()
  }

  /// The counter's sum, `nil` if the key is missing or no counter.
  public func counter(_ key: String) -> Int? {
    guard case .counter(let sum) = self[key] else { return nil }
    return Int(sum)
  }

  /// The set's elements, `nil` if the key is missing or no set.
  public func elements<V: Value & Hashable>(
    _ key: String, as type: V.Type = V.self
  ) throws -> Set<V>? {
    guard case .set(let elements, let encoding) = self[key] else { return nil }
    return Set(
      try elements.map { try EncodedValue(encoding: encoding, bytes: $0).decode(as: V.self) })
  }
}

extension TestStore {
  /// What the C table's writes come down to. - Returns: the refusal, if it is one.
  func change(_ key: String, _ change: Change) -> HostError.Code? {
    state.withLock { state in
      if let failure = state.failure { return failure }
      switch (change, state.records[key]) {
      case (.put(let value), nil), (.put(let value), .value):
        state.records[key] = .value(value)
      case (.remove, _):
        state.records[key] = nil
      case (.add(let amount), nil):
        state.records[key] = .counter(amount)
      case (.add(let amount), .counter(let sum)):
        state.records[key] = .counter(sum &+ amount)
      case (.insert(let element), nil):
        state.records[key] = .set([element.bytes], element.encoding)
      case (.insert(let element), .set(let elements, let encoding))
      where encoding == element.encoding:
        state.records[key] = .set(elements.union([element.bytes]), element.encoding)
      default:
        return .lattice
      }
      return nil
    }
  }

  enum Change {
    case put(EncodedValue)
    case remove
    case add(Int64)
    case insert(EncodedValue)
  }
}
