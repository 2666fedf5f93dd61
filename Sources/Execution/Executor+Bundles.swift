import ClusterModel
import WireProtocol

extension Executor {
  mutating func take(
    _ ready: BundleReady, at readings: Readings, into effects: inout [Effect]
  ) {
    // An answer that nobody waits for belongs to a call that is over.
    guard let digest = ContentDigest(ready.digest), isWaiting(for: digest) else { return }
    call?.bundleRequestedAt = nil
    if let failure = ready.failure {
      return finish(.failure(failure), at: readings, into: &effects)
    }
    effects.append(.load(digest, path: ready.path))
  }

  mutating func take(
    loaded digest: ContentDigest, _ failure: Failure?, at readings: Readings,
    into effects: inout [Effect]
  ) {
    guard let call, call.bundles[call.stage] == digest else {
      preconditionFailure("a bundle is loaded for the stage that waits for it")
    }
    if let failure { return finish(.failure(failure), at: readings, into: &effects) }
    loaded.insert(digest)
    self.call?.needsBundle = false
    runIfReady(at: readings, into: &effects)
  }

  private func isWaiting(for digest: ContentDigest) -> Bool {
    guard let call, call.bundleRequestedAt != nil else { return false }
    return call.bundles[call.stage] == digest
  }
}
