import ClusterModel
import PluginHost
package import WireProtocol

/// Loads a bundle as an executor would and says what it holds.
package enum BundleProbe {
  /// The record's `failure` says why the bundle is refused. Runs the bundle's start-up code: a crash
  /// or a hang there ends the spare process that asks, and its supervisor sees that.
  package static func record(ofFileAt path: String) -> BundleRecord {
    var record = BundleRecord()
    do {
      let bundle = try LoadedBundle(loading: path)
      record.name = bundle.name
      record.toolchain = bundle.compiler.isEmpty ? bundle.stamp.toolchain : bundle.compiler
      record.functions = bundle.functions.map { function in
        var entry = FunctionRecord()
        entry.name = function.name
        entry.bundleName = bundle.name
        entry.signature = function.signature
        entry.parameterCount = UInt32(function.parameterCount)
        entry.isAsync = function.isAsync
        return entry
      }
    } catch {
      record.failure = error.failure
    }
    return record
  }
}
