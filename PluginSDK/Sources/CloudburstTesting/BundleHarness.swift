public import CloudburstFunctions

/// Runs a bundle's functions in your own unit tests, through the same C interface as an executor:
///
/// ```swift
/// let harness = BundleHarness(bundle)
/// let four: Int = try await harness.call("increment", 3)
/// #expect(harness.store.counter("visits/home") == 1)
/// ```
///
/// Each harness has its own store, log and loop thread; calls may overlap as on an executor.
public final class BundleHarness: Sendable {
  public let store: TestStore
  private let host: TestHost
  private let bundle: Immortal<cb_bundle>

  /// - Parameter seed: makes the calls' ids, so that two runs see the same.
  public init(_ bundle: FunctionBundle, seed: UInt64 = 1) {
    guard let descriptor = bundle.descriptor else {
      preconditionFailure("a FunctionBundle has a descriptor")
    }
    self.bundle = Immortal(pointer: descriptor)
    store = TestStore()
    host = TestHost(bundle: self.bundle, store: store, seed: seed)
  }

  deinit {
    host.loop.stop()
  }

  /// Time that calls are told they have left; `nil`, the default, is no deadline.
  public var deadline: Duration? {
    get { host.deadline }
    set { host.deadline = newValue }
  }

  /// All log lines so far.
  public var log: [LogLine] { host.log }

  /// Calls a function and decodes what it returns. Throws `CallFailure` if it fails.
  public func call<Result: Value, each Argument: Value>(
    _ name: String, _ argument: repeat each Argument, returning: Result.Type = Result.self
  ) async throws -> Result {
    try await callEncoded(name, try encode(repeat each argument)).decode()
  }

  /// Calls a function that returns nothing.
  public func run<each Argument: Value>(
    _ name: String, _ argument: repeat each Argument
  ) async throws {
    _ = try await callEncoded(name, try encode(repeat each argument))
  }

  /// Calls a function with arguments as they come from outside: JSON, native or raw.
  public func callEncoded(_ name: String, _ arguments: [EncodedValue]) async throws -> EncodedValue
  {
    guard let function = functions.first(where: { String(text: $0.pointer.pointee.name) == name })
    else {
      throw CallFailure(
        code: "FUNCTION_NOT_FOUND", message: "no function \"\(name)\" in the bundle")
    }
    return try await withCheckedThrowingContinuation { waiting in
      host.start(function, arguments) { outcome in waiting.resume(with: outcome) }
    }
  }

  private var functions: [Immortal<cb_function>] {
    (0..<bundle.pointer.pointee.function_count).compactMap { index in
      bundle.pointer.pointee.functions[index].map(Immortal.init)
    }
  }

  private func encode<each Argument: Value>(
    _ argument: repeat each Argument
  ) throws -> [EncodedValue] {
    var encoded: [EncodedValue] = []
    for argument in repeat each argument { encoded.append(try EncodedValue(argument)) }
    return encoded
  }
}

/// A call that ended with an error, as its caller sees it.
public struct CallFailure: Error, Hashable, Sendable, CustomStringConvertible {
  public var code: String
  public var message: String

  public init(code: String, message: String) {
    self.code = code
    self.message = message
  }

  public var description: String { "\(code): \(message)" }
}

/// One line of a function's log.
public struct LogLine: Hashable, Sendable {
  public enum Level: UInt32, Hashable, Sendable {
    case trace = 0
    case debug = 1
    case info = 2
    case warning = 3
    case error = 4
  }
  public var level: Level
  public var function: String
  public var message: String

  public init(level: Level, function: String, message: String) {
    self.level = level
    self.function = function
    self.message = message
  }
}
