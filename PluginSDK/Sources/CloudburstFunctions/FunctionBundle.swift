/// The functions of one shared object, as a global constant of it:
///
/// ```swift
/// let bundle = FunctionBundle("arithmetic") {
///   Function("increment") { (x: Int) in x + 1 }
/// }
///
/// @c(cloudburst_bundle) public func entry() -> UnsafePointer<cb_bundle>? { bundle.descriptor }
/// ```
///
/// Make one that lives as long as the process: its C tables are never freed.
public struct FunctionBundle: Sendable {
  public let name: String
  public let functions: [Function]
  private let table: Immortal<cb_bundle>

  public init(_ name: String, @FunctionListBuilder _ functions: () -> [Function]) {
    self.name = name
    self.functions = functions()
    table = Self.makeTable(name, self.functions)
  }

  /// What the entry point returns.
  public var descriptor: UnsafePointer<cb_bundle>? { table.pointer }

  private static func makeTable(_ name: String, _ functions: [Function]) -> Immortal<cb_bundle> {
    let list = UnsafeMutablePointer<UnsafePointer<cb_function>?>.allocate(capacity: functions.count)
    for (index, function) in functions.enumerated() {
      (list + index).initialize(to: makeTable(function))
    }
    let table = UnsafeMutablePointer<cb_bundle>.allocate(capacity: 1)
    table.initialize(
      to: cb_bundle(
        struct_size: UInt32(MemoryLayout<cb_bundle>.size), abi_version: UInt32(CB_ABI_VERSION),
        name: immortal(name), compiler: immortal(String(cString: cb_toolchain())),
        sdk_version: immortal(CB_SDK_VERSION), function_count: functions.count,
        functions: UnsafePointer(list), resume: PendingRequest.resume))
    return Immortal(pointer: table)
  }

  private static func makeTable(_ function: Function) -> UnsafePointer<cb_function> {
    let table = UnsafeMutablePointer<cb_function>.allocate(capacity: 1)
    table.initialize(
      to: cb_function(
        struct_size: UInt32(MemoryLayout<cb_function>.size),
        flags: function.isAsync ? UInt32(CB_FUNCTION_ASYNC) : 0,
        name: immortal(function.name), signature: immortal(function.signature.description),
        parameter_count: UInt32(function.signature.parameters.count),
        concurrency: UInt32(clamping: function.concurrency), invoke: invoke,
        context: Unmanaged.passRetained(InvokeBox(function)).toOpaque(),
        set_up: function.setUp == nil ? nil : setUp, time_limit_us: function.limits.microseconds,
        memory_mebibytes: function.limits.mebibytes,
        attempts_max: UInt32(function.limits.attempts ?? 0)))
    return UnsafePointer(table)
  }

  private static func immortal(_ text: String) -> cb_text {
    let utf8 = Array(text.utf8)
    let copy = UnsafeMutablePointer<CChar>.allocate(capacity: max(1, utf8.count))
    for (index, byte) in utf8.enumerated() { copy[index] = CChar(bitPattern: byte) }
    return cb_text(bytes: copy, count: utf8.count)
  }

  /// The one C function behind every Swift function.
  private static let invoke: cb_invoke = { host, invocation in
    guard let host, let invocation, let context = invocation.pointee.function.pointee.context else {
      return cb_outcome(CB_FAILED)
    }
    let box = Unmanaged<InvokeBox>.fromOpaque(context)
    return box._withUnsafeGuaranteedRef { box in
      box.invoke(CallFrame(host: host, invocation: invocation))
    }
  }

  /// The one C function behind every `initialize`.
  private static let setUp: cb_invoke = { host, invocation in
    guard let host, let invocation, let context = invocation.pointee.function.pointee.context else {
      return cb_outcome(CB_FAILED)
    }
    let box = Unmanaged<InvokeBox>.fromOpaque(context).takeUnretainedValue()
    let reply = CallFrame(host: host, invocation: invocation).reply
    do {
      try box.setUp?()
      return reply.result(NoResult())
    } catch {
      return reply.fail(error)
    }
  }
}

private final class InvokeBox: Sendable {
  let invoke: @Sendable (CallFrame) -> cb_outcome
  let setUp: (@Sendable () throws -> Void)?

  init(_ function: Function) {
    invoke = function.invoke
    setUp = function.setUp
  }
}

/// Collects the functions of a bundle; `if`, `for` and `#if` may be used.
@resultBuilder
public enum FunctionListBuilder {
  public static func buildExpression(_ function: Function) -> [Function] { [function] }
  public static func buildExpression(_ functions: [Function]) -> [Function] { functions }
  public static func buildBlock(_ parts: [Function]...) -> [Function] { parts.flatMap { $0 } }
  public static func buildArray(_ parts: [[Function]]) -> [Function] { parts.flatMap { $0 } }
  public static func buildOptional(_ part: [Function]?) -> [Function] { part ?? [] }
  public static func buildEither(first part: [Function]) -> [Function] { part }
  public static func buildEither(second part: [Function]) -> [Function] { part }
}
