/// One function of a bundle: a name and a Swift closure, typed by its own parameters.
///
/// The closure takes any number of values, optionally a `Context` before them, may throw, may be
/// `async`, and returns a value or nothing. See `Function+Forms.swift` for all forms.
public struct Function: Sendable {
  /// How many calls of one async function run interleaved unless it says otherwise.
  public static let defaultConcurrency = 16

  public let name: String
  /// For people and the CLI: "(Int, [Double]) -> String".
  public let signature: FunctionSignature
  public let isAsync: Bool
  public let concurrency: Int
  @usableFromInline let invoke: @Sendable (CallFrame) -> cb_outcome
  /// Runs `initialize`, where there is one and it has not run yet.
  @usableFromInline var setUp: (@Sendable () throws -> Void)?
  var limits = Limits()

  /// Runs the body to its end on the loop.
  @inlinable init<each Parameter: Value, Result: Value>(
    sync name: String, _ body: @escaping @Sendable (Context, repeat each Parameter) throws -> Result
  ) {
    let signature = Self.signature(repeat (each Parameter).self, result: Result.self)
    let count = signature.parameters.count
    self.name = name
    self.signature = signature
    isAsync = false
    concurrency = 1
    invoke = { frame in
      let arguments: (repeat each Parameter)
      do throws(ValueError) {
        var reader = try frame.arguments(expecting: count, of: name)
        arguments = (repeat try reader.read((each Parameter).self))
      } catch {
        return frame.reply.misfit(error)
      }
      do {
        return frame.reply.result(try body(frame.context(named: name), repeat each arguments))
      } catch {
        return frame.reply.fail(error)
      }
    }
  }

  /// Starts the body on the loop, where it also goes on after each `await`.
  @inlinable init<each Parameter: Value, Result: Value>(
    async name: String, concurrency: Int,
    _ body: @escaping @Sendable (Context, repeat each Parameter) async throws -> Result
  ) {
    precondition(concurrency > 0, "\(name): a concurrency below 1 would run nothing")
    let signature = Self.signature(repeat (each Parameter).self, result: Result.self)
    let count = signature.parameters.count
    self.name = name
    self.signature = signature
    isAsync = true
    self.concurrency = concurrency
    invoke = { frame in
      let arguments: (repeat each Parameter)
      do throws(ValueError) {
        var reader = try frame.arguments(expecting: count, of: name)
        arguments = (repeat try reader.read((each Parameter).self))
      } catch {
        return frame.reply.misfit(error)
      }
      let (context, reply) = (frame.context(named: name), frame.reply)
      Task.immediateDetached(executorPreference: reply.loop) {
        do {
          _ = reply.result(try await body(context, repeat each arguments))
        } catch {
          _ = reply.fail(error)
        }
        reply.complete()
      }
      return cb_outcome(CB_PENDING)
    }
  }

  @usableFromInline static func signature<each Parameter: Value>(
    _ parameters: repeat (each Parameter).Type, result: (some Value).Type
  ) -> FunctionSignature {
    var names: [String] = []
    for parameter in repeat each parameters { names.append(parameter.valueTypeName) }
    return FunctionSignature(parameters: names, result: result.valueTypeName)
  }
}
