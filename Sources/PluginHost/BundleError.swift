package import ClusterModel

/// Why a file cannot be used as a bundle: what was expected and what was found.
package struct BundleError: Error, Hashable, Sendable, CustomStringConvertible {
  package enum Reason: String, Hashable, Sendable, CaseIterable {
    case notReadable
    case notELF
    case wrongArchitecture
    case truncated
    /// The entry point or the stamp is not exported.
    case missingSymbol
    case badStamp
    case abiTooOld
    case abiTooNew
    /// Swift code of another toolchain: the runtime is shared, so both must be of one.
    case toolchainMismatch
    /// `dlopen` refused; `found` is what it said.
    case loadFailed
    case badDescriptor
    case badFunction
    case duplicateFunction
  }

  package let reason: Reason
  package let path: String
  package let expected: String
  package let found: String

  package init(_ reason: Reason, path: String, expected: String, found: String) {
    self.reason = reason
    self.path = path
    self.expected = expected
    self.found = found
  }

  package var description: String {
    "\(path): expected \(expected), found \(found) (\(reason.rawValue))"
  }

  /// The error as callers and the command line see it.
  package var failure: Failure {
    Failure(
      reason == .notReadable ? .fileNotFound : .bundleInvalid, description, hint: hint)
  }

  private var hint: String {
    switch reason {
    case .toolchainMismatch: "rebuild the bundle with the toolchain of the cluster"
    case .abiTooOld: "rebuild the bundle with a newer PluginSDK"
    case .abiTooNew: "update the cluster, or build with an older PluginSDK"
    case .missingSymbol: "export it: docs/plugin-abi.md"
    case .wrongArchitecture: "build for the machines of the cluster"
    default: ""
    }
  }
}
