// The forms an author may write a body in. Each parameter and result is a `Value`; `Context` is
// none, so the compiler tells the forms with one apart.

extension Function {
  @inlinable public init<each Parameter: Value, Result: Value>(
    _ name: String, _ body: @escaping @Sendable (repeat each Parameter) throws -> Result
  ) {
    self.init(sync: name) { (_: Context, parameter: repeat each Parameter) in
      try body(repeat each parameter)
    }
  }

  @inlinable public init<each Parameter: Value, Result: Value>(
    _ name: String, _ body: @escaping @Sendable (Context, repeat each Parameter) throws -> Result
  ) {
    self.init(sync: name, body)
  }

  @inlinable public init<each Parameter: Value>(
    _ name: String, _ body: @escaping @Sendable (repeat each Parameter) throws -> Void
  ) {
    self.init(sync: name) { (_: Context, parameter: repeat each Parameter) in
      try body(repeat each parameter)
      return NoResult()
    }
  }

  @inlinable public init<each Parameter: Value>(
    _ name: String, _ body: @escaping @Sendable (Context, repeat each Parameter) throws -> Void
  ) {
    self.init(sync: name) { (context: Context, parameter: repeat each Parameter) in
      try body(context, repeat each parameter)
      return NoResult()
    }
  }
}

/// - Parameter concurrency: calls of the function that one executor runs interleaved.
extension Function {
  @inlinable public init<each Parameter: Value, Result: Value>(
    _ name: String, concurrency: Int = defaultConcurrency,
    _ body: @escaping @Sendable (repeat each Parameter) async throws -> Result
  ) {
    self.init(async: name, concurrency: concurrency) {
      (_: Context, parameter: repeat each Parameter) in
      try await body(repeat each parameter)
    }
  }

  @inlinable public init<each Parameter: Value, Result: Value>(
    _ name: String, concurrency: Int = defaultConcurrency,
    _ body: @escaping @Sendable (Context, repeat each Parameter) async throws -> Result
  ) {
    self.init(async: name, concurrency: concurrency, body)
  }

  @inlinable public init<each Parameter: Value>(
    _ name: String, concurrency: Int = defaultConcurrency,
    _ body: @escaping @Sendable (repeat each Parameter) async throws -> Void
  ) {
    self.init(async: name, concurrency: concurrency) {
      (_: Context, parameter: repeat each Parameter) in
      try await body(repeat each parameter)
      return NoResult()
    }
  }

  @inlinable public init<each Parameter: Value>(
    _ name: String, concurrency: Int = defaultConcurrency,
    _ body: @escaping @Sendable (Context, repeat each Parameter) async throws -> Void
  ) {
    self.init(async: name, concurrency: concurrency) {
      (context: Context, parameter: repeat each Parameter) in
      try await body(context, repeat each parameter)
      return NoResult()
    }
  }
}
