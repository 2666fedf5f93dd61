/// Functions with a one-time set-up: `initialize` runs before the first call, and what it returns is
/// given to every call as long as the executor keeps the bundle.
///
/// A new version's set-ups run once in a spare executor before any other takes the bundle: one that
/// throws, crashes or does not end there refuses the upload. If it throws later, the call fails with
/// `SET_UP_FAILED` and the next call tries again. A set-up sees no keys.
extension Function {
  @inlinable public init<State, each Parameter: Value, Result: Value>(
    _ name: String, initialize: @escaping @Sendable () throws -> State,
    _ body: @escaping @Sendable (State, repeat each Parameter) throws -> Result
  ) {
    let kept = KeptState(initialize)
    self.init(sync: name) { (_: Context, parameter: repeat each Parameter) in
      try body(try kept.state(), repeat each parameter)
    }
    setUp = { _ = try kept.state() }
  }

  @inlinable public init<State, each Parameter: Value, Result: Value>(
    _ name: String, initialize: @escaping @Sendable () throws -> State,
    _ body: @escaping @Sendable (State, Context, repeat each Parameter) throws -> Result
  ) {
    let kept = KeptState(initialize)
    self.init(sync: name) { (context: Context, parameter: repeat each Parameter) in
      try body(try kept.state(), context, repeat each parameter)
    }
    setUp = { _ = try kept.state() }
  }

  @inlinable public init<State: Sendable, each Parameter: Value, Result: Value>(
    _ name: String, concurrency: Int = defaultConcurrency,
    initialize: @escaping @Sendable () throws -> State,
    _ body: @escaping @Sendable (State, repeat each Parameter) async throws -> Result
  ) {
    let kept = KeptState(initialize)
    self.init(async: name, concurrency: concurrency) {
      (_: Context, parameter: repeat each Parameter) in
      try await body(try kept.state(), repeat each parameter)
    }
    setUp = { _ = try kept.state() }
  }

  @inlinable public init<State: Sendable, each Parameter: Value, Result: Value>(
    _ name: String, concurrency: Int = defaultConcurrency,
    initialize: @escaping @Sendable () throws -> State,
    _ body: @escaping @Sendable (State, Context, repeat each Parameter) async throws -> Result
  ) {
    let kept = KeptState(initialize)
    self.init(async: name, concurrency: concurrency) {
      (context: Context, parameter: repeat each Parameter) in
      try await body(try kept.state(), context, repeat each parameter)
    }
    setUp = { _ = try kept.state() }
  }
}

/// The same for bodies that return nothing.
extension Function {
  @inlinable public init<State, each Parameter: Value>(
    _ name: String, initialize: @escaping @Sendable () throws -> State,
    _ body: @escaping @Sendable (State, repeat each Parameter) throws -> Void
  ) {
    let kept = KeptState(initialize)
    self.init(sync: name) { (_: Context, parameter: repeat each Parameter) in
      try body(try kept.state(), repeat each parameter)
      return NoResult()
    }
    setUp = { _ = try kept.state() }
  }

  @inlinable public init<State, each Parameter: Value>(
    _ name: String, initialize: @escaping @Sendable () throws -> State,
    _ body: @escaping @Sendable (State, Context, repeat each Parameter) throws -> Void
  ) {
    let kept = KeptState(initialize)
    self.init(sync: name) { (context: Context, parameter: repeat each Parameter) in
      try body(try kept.state(), context, repeat each parameter)
      return NoResult()
    }
    setUp = { _ = try kept.state() }
  }

  @inlinable public init<State: Sendable, each Parameter: Value>(
    _ name: String, concurrency: Int = defaultConcurrency,
    initialize: @escaping @Sendable () throws -> State,
    _ body: @escaping @Sendable (State, repeat each Parameter) async throws -> Void
  ) {
    let kept = KeptState(initialize)
    self.init(async: name, concurrency: concurrency) {
      (_: Context, parameter: repeat each Parameter) in
      try await body(try kept.state(), repeat each parameter)
      return NoResult()
    }
    setUp = { _ = try kept.state() }
  }

  @inlinable public init<State: Sendable, each Parameter: Value>(
    _ name: String, concurrency: Int = defaultConcurrency,
    initialize: @escaping @Sendable () throws -> State,
    _ body: @escaping @Sendable (State, Context, repeat each Parameter) async throws -> Void
  ) {
    let kept = KeptState(initialize)
    self.init(async: name, concurrency: concurrency) {
      (context: Context, parameter: repeat each Parameter) in
      try await body(try kept.state(), context, repeat each parameter)
      return NoResult()
    }
    setUp = { _ = try kept.state() }
  }
}

/// What `initialize` returned, once it has.
// SAFETY: read and written only where bodies start, which is the host's one loop thread.
@usableFromInline final class KeptState<State>: @unchecked Sendable {
  private var kept: State?
  private let initialize: @Sendable () throws -> State

  @usableFromInline init(_ initialize: @escaping @Sendable () throws -> State) {
    self.initialize = initialize
  }

  @usableFromInline func state() throws -> State {
    if let kept { return kept }
    do {
      let fresh = try initialize()
      kept = fresh
      return fresh
    } catch {
      throw SetupError(cause: error)
    }
  }
}
