import CSodium
package import ClusterModel

/// Computes a `ContentDigest` (SHA-256), at once or in parts as they arrive.
package struct ContentHash {
  private var state = crypto_hash_sha256_state()

  package init() {
    // No answer to check: libsodium's SHA-256 cannot fail, the C signature returns 0.
    _ = crypto_hash_sha256_init(&state)
  }

  package static func digest(of bytes: Bytes) -> ContentDigest {
    bytes.withUnsafeBytes { digest(of: $0) }
  }

  package static func digest(of bytes: UnsafeRawBufferPointer) -> ContentDigest {
    var hash = ContentHash()
    hash.update(bytes)
    return hash.digest
  }

  package mutating func update(_ bytes: Bytes) {
    bytes.withUnsafeBytes { update($0) }
  }

  /// Borrows `bytes` for the call.
  package mutating func update(_ bytes: UnsafeRawBufferPointer) {
    guard let start = bytes.baseAddress else { return }
    let first = start.assumingMemoryBound(to: UInt8.self)
    _ = crypto_hash_sha256_update(&state, first, UInt64(bytes.count))
  }

  /// The digest of everything given so far; more may follow.
  package var digest: ContentDigest {
    var final = state
    var bytes = [UInt8](repeating: 0, count: Int(crypto_hash_sha256_bytes()))
    _ = crypto_hash_sha256_final(&final, &bytes)
    guard let digest = ContentDigest(bytes[...]) else {
      preconditionFailure("SHA-256 has 32 bytes")
    }
    return digest
  }
}
