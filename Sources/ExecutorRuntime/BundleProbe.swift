import ClusterModel
import PluginHost
package import WireProtocol

/// Loads a bundle as an executor would, does its set-ups, and says what it holds.
package enum BundleProbe {
  /// Runs the bundle's start-up code and each function's set-up: a crash or a hang there ends the
  /// spare process that asks, and its supervisor sees that.
  ///
  /// - Parameter say: told before each set-up, so that a set-up that ends the process has been named,
  ///   and at the end; each time all that is known. The record's `failure` says why the bundle is
  ///   refused, and what is under way until it has ended well.
  package static func run(
    onFileAt path: String, saying say: (BundleRecord) throws -> Void
  ) throws {
    let bundle: LoadedBundle
    do throws(BundleError) {
      bundle = try LoadedBundle(loading: path)
    } catch {
      var refused = BundleRecord()
      refused.failure = error.failure
      return try say(refused)
    }
    var record = record(of: bundle)
    let services = SetUpServices()
    let host = PluginHost(services: services, poster: NoTurns())
    for (index, function) in bundle.functions.enumerated() where function.hasSetUp {
      record.failure = Failure(.bundleInvalid, "the set-up of \(function.name) did not end")
      record.failure?.function = function.name
      try say(record)
      guard host.setUp(function, as: CallHandle(index + 1)) else {
        record.failure?.message =
          "the bundle is refused: the set-up of \(function.name) failed: \(services.reason)"
        break
      }
      record.failure = nil
    }
    try say(record)
  }

  private static func record(of bundle: LoadedBundle) -> BundleRecord {
    var record = BundleRecord()
    record.name = bundle.name
    record.toolchain = bundle.compiler.isEmpty ? bundle.stamp.toolchain : bundle.compiler
    record.functions = bundle.functions.map { function in
      var entry = FunctionRecord()
      entry.name = function.name
      entry.bundleName = bundle.name
      entry.signature = function.signature
      entry.parameterCount = UInt32(function.parameterCount)
      entry.isAsync = function.isAsync
      entry.timeLimitMicroseconds = function.limits.timeMicroseconds
      entry.memoryMebibytes = function.limits.memoryMebibytes
      entry.attemptsMax = function.limits.attempts
      return entry
    }
    return record
  }
}
