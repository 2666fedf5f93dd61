import CCloudburst
import ClusterModel
import Glibc

/// A bundle in this process, for good: it is never unloaded, because the Swift runtime keeps pointers
/// into every image it has seen.
///
/// Used on the loop thread that loaded it.
package struct LoadedBundle {
  package let path: String
  package let name: String
  package let compiler: String
  package let sdkVersion: String
  package let stamp: BundleStamp
  package let functions: [LoadedFunction]
  let resume: (@convention(c) (UInt64, cb_status, UnsafeRawPointer?) -> Void)?

  /// Checks the file, loads it and reads its descriptor.
  ///
  /// - Parameter path: made absolute. A path must never be loaded again with other bytes: the loader
  ///   would answer with the old image. Name files by their contents.
  package init(loading path: String) throws(BundleError) {
    let path = try Self.absolute(path)
    stamp = try BundleStamp(ofFileAt: path)
    guard let image = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE) else {
      throw BundleError(
        .loadFailed, path: path, expected: "a loadable file", found: Self.loaderError())
    }
    guard let entry = dlsym(image, CB_ENTRY_SYMBOL) else {
      throw BundleError(
        .missingSymbol, path: path, expected: CB_ENTRY_SYMBOL, found: Self.loaderError())
    }
    let descriptor = unsafeBitCast(
      entry, to: (@convention(c) () -> UnsafePointer<cb_bundle>?).self)()
    guard let descriptor else {
      throw BundleError(.badDescriptor, path: path, expected: "a descriptor", found: "NULL")
    }
    guard Int(descriptor.pointee.struct_size) >= MemoryLayout<cb_bundle>.size else {
      throw BundleError(
        .badDescriptor, path: path,
        expected: "a descriptor of \(MemoryLayout<cb_bundle>.size) bytes",
        found: "\(descriptor.pointee.struct_size)")
    }
    self.path = path
    name = String(descriptor.pointee.name)
    compiler = String(descriptor.pointee.compiler)
    sdkVersion = String(descriptor.pointee.sdk_version)
    resume = descriptor.pointee.resume
    functions = try Self.functions(descriptor, path)
  }

  package func function(named name: String) -> LoadedFunction? {
    functions.first { $0.name == name }
  }

  private static func functions(
    _ descriptor: UnsafePointer<cb_bundle>, _ path: String
  ) throws(BundleError) -> [LoadedFunction] {
    var functions: [LoadedFunction] = []
    var names: Set<String> = []
    for index in 0..<descriptor.pointee.function_count {
      let function = try LoadedFunction(descriptor.pointee.functions?[index], at: index, path)
      guard names.insert(function.name).inserted else {
        throw BundleError(
          .duplicateFunction, path: path, expected: "each function name once",
          found: "\"\(function.name)\" twice")
      }
      functions.append(function)
    }
    guard !functions.isEmpty else {
      throw BundleError(
        .badDescriptor, path: path, expected: "at least one function", found: "none")
    }
    return functions
  }

  private static func absolute(_ path: String) throws(BundleError) -> String {
    guard let resolved = realpath(path, nil) else {
      throw BundleError(
        .notReadable, path: path, expected: "a readable file",
        found: String(cString: strerror(errno)))
    }
    defer { free(resolved) }
    return String(cString: resolved)
  }

  private static func loaderError() -> String {
    dlerror().map { String(cString: $0) } ?? "no reason"
  }
}

/// One function of a loaded bundle, with its C pointers at hand.
package struct LoadedFunction {
  package let name: String
  package let signature: String
  package let parameterCount: Int
  package let isAsync: Bool
  /// Calls that may be in flight at once; 1 if it is not async.
  package let concurrency: Int
  /// Does the one-time set-up without a call; nil where there is none.
  package var hasSetUp: Bool { setUp != nil }
  package let limits: CallLimits
  let pointer: UnsafePointer<cb_function>
  let invoke: cb_invoke
  let setUp: cb_invoke?

  /// What its calls may take; zero leaves it to others.
  package struct CallLimits: Equatable, Sendable {
    package var timeMicroseconds: UInt64
    package var memoryMebibytes: UInt32
    package var attempts: UInt32

    package init(timeMicroseconds: UInt64 = 0, memoryMebibytes: UInt32 = 0, attempts: UInt32 = 0) {
      self.timeMicroseconds = timeMicroseconds
      self.memoryMebibytes = memoryMebibytes
      self.attempts = attempts
    }
  }

  init(
    _ pointer: UnsafePointer<cb_function>?, at index: Int, _ path: String
  ) throws(BundleError) {
    func bad(_ expected: String, _ found: String) -> BundleError {
      BundleError(
        .badFunction, path: path, expected: "function \(index): \(expected)", found: found)
    }
    guard let pointer else { throw bad("a table", "NULL") }
    let byteCount = Int(pointer.pointee.struct_size)
    guard byteCount >= Self.byteCountMin else {
      throw bad("a table of \(Self.byteCountMin) bytes", "\(byteCount)")
    }
    let table = Self.table(pointer, byteCount)
    let name = String(table.name)
    guard Self.isName(table.name) else {
      throw bad("a name of 1 to \(Limits.nameBytesMax) of A-Z a-z 0-9 . _ -", "\"\(name)\"")
    }
    guard let invoke = table.invoke else { throw bad("an invoke pointer", "NULL in \"\(name)\"") }
    guard Int(table.parameter_count) <= Limits.argumentsMax else {
      throw bad("at most \(Limits.argumentsMax) parameters", "\(table.parameter_count)")
    }
    self.name = name
    signature = String(table.signature)
    parameterCount = Int(table.parameter_count)
    isAsync = table.flags & UInt32(CB_FUNCTION_ASYNC) != 0
    concurrency = isAsync ? max(1, Int(table.concurrency)) : 1
    guard table.attempts_max <= 255 else {
      throw bad("at most 255 attempts", "\(table.attempts_max) in \"\(name)\"")
    }
    limits = CallLimits(
      timeMicroseconds: table.time_limit_us, memoryMebibytes: table.memory_mebibytes,
      attempts: table.attempts_max)
    self.pointer = pointer
    self.invoke = invoke
    setUp = table.set_up
  }

  /// Up to and with `context`: the table of the first bundles.
  private static let byteCountMin =
    (MemoryLayout<cb_function>.offset(of: \.context) ?? 0) + MemoryLayout<UnsafeRawPointer>.size

  /// A copy of the fields that the bundle knows of; the others are zero.
  private static func table(
    _ pointer: UnsafePointer<cb_function>, _ byteCount: Int
  ) -> cb_function {
    var table = cb_function()
    withUnsafeMutableBytes(of: &table) { copy in
      let known = UnsafeRawBufferPointer(start: pointer, count: min(byteCount, copy.count))
      copy.copyMemory(from: known)
    }
    return table
  }

  private static func isName(_ text: cb_text) -> Bool {
    let bytes = UnsafeRawBufferPointer(start: text.bytes, count: text.count)
    guard (1...Limits.nameBytesMax).contains(bytes.count) else { return false }
    return bytes.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"),
        UInt8(ascii: "-"):
        true
      default: false
      }
    }
  }
}

extension String {
  init(_ text: cb_text) {
    self.init(decoding: UnsafeRawBufferPointer(start: text.bytes, count: text.count), as: UTF8.self)
  }
}
