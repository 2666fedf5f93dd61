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

  /// The error as callers and the command line see it; the file is named by whoever knows it by
  /// the name that its author gave it.
  package var failure: Failure {
    guard reason != .notReadable else { return Failure(.fileNotFound, description) }
    // The loader begins with a path of ours, which says nothing to the author.
    let found =
      self.found.hasPrefix(path + ": ") ? String(self.found.dropFirst(path.count + 2)) : self.found
    return Failure(
      .bundleInvalid, "\(reason.text): expected \(expected), found \(found)", hint: reason.hint)
  }
}

extension BundleError.Reason {
  fileprivate var text: String {
    switch self {
    case .notReadable: "the file cannot be read"
    case .notELF: "it is no ELF file"
    case .wrongArchitecture: "it is for another architecture"
    case .truncated: "it is cut off or damaged"
    case .missingSymbol: "it lacks a symbol"
    case .badStamp: "its stamp cannot be read"
    case .abiTooOld: "its ABI is too old for this cluster"
    case .abiTooNew: "its ABI is too new for this cluster"
    case .toolchainMismatch: "it was built with another Swift toolchain"
    case .loadFailed: "the loader refuses it"
    case .badDescriptor: "its descriptor is not valid"
    case .badFunction: "one of its functions is not valid"
    case .duplicateFunction: "two of its functions have one name"
    }
  }

  fileprivate var hint: String {
    switch self {
    case .notReadable: ""
    case .notELF: "upload the shared object: .build/release/libNAME.so"
    case .truncated: "build or copy it again"
    case .toolchainMismatch:
      "rebuild the bundle with the toolchain of the cluster (cbctl doctor names it)"
    case .abiTooOld: "rebuild the bundle with a newer PluginSDK"
    case .abiTooNew: "update the cluster, or build with an older PluginSDK"
    case .missingSymbol, .badStamp, .badDescriptor, .badFunction:
      "see docs/plugin-abi.md; in Swift: @c(cloudburst_bundle) public func entry()"
    case .wrongArchitecture: "build for the machines of the cluster"
    case .loadFailed: "link what it lacks into the bundle, or install it on every node"
    case .duplicateFunction: "rename one of them"
    }
  }
}
