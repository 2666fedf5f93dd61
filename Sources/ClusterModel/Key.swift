/// The name of a stored value: 1 to `Limits.keyBytesMax` bytes of UTF-8.
package struct Key: Hashable, Comparable, Sendable, CustomStringConvertible {
  package let bytes: Bytes

  /// Trusts the caller: use `init(checking:)` on anything that came from outside.
  package init(_ text: String) { bytes = Bytes(text: text) }
  package init(trusted bytes: Bytes) { self.bytes = bytes }

  /// All bytes at once: one by one, as for any collection, costs several times as much.
  package func hash(into hasher: inout Hasher) {
    bytes.withUnsafeBytes { hasher.combine(bytes: $0) }
  }

  /// - Returns: nil for empty, too long, or not UTF-8.
  package init?(checking bytes: Bytes) {
    guard bytes.withUnsafeBytes({ Self.isValid($0) }) else { return nil }
    self.bytes = bytes
  }

  /// Whether the bytes are a key's.
  package static func isValid(_ bytes: UnsafeRawBufferPointer) -> Bool {
    guard !bytes.isEmpty, bytes.count <= Limits.keyBytesMax else { return false }
    return isASCII(bytes) || String(validating: bytes, as: UTF8.self) != nil
  }

  private static func isASCII(_ bytes: UnsafeRawBufferPointer) -> Bool {
    var (offset, high) = (0, UInt64(0))
    while offset &+ 8 <= bytes.count {
      high |= bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
      offset &+= 8
    }
    while offset < bytes.count {
      high |= UInt64(bytes[offset])
      offset &+= 1
    }
    return high & 0x8080_8080_8080_8080 == 0
  }

  package var description: String { bytes.text }

  package static func < (left: Key, right: Key) -> Bool {
    left.bytes.lexicographicallyPrecedes(right.bytes)
  }

  /// Whether the key belongs to the platform; users may read such keys but not write them.
  package var isReserved: Bool { bytes.withUnsafeBytes { Self.isReserved($0) } }

  package static func isReserved(_ bytes: UnsafeRawBufferPointer) -> Bool {
    guard let first = bytes.first else { return false }
    return switch first {
    case UInt8(ascii: "_"): bytes.starts(with: ReservedKeys.prefix.utf8)
    case UInt8(ascii: "A"): bytes.starts(with: ReservedKeys.anna.utf8)
    default: false
    }
  }
}

/// The platform's own keys live in the same store as the users', under one prefix.
package enum ReservedKeys {
  package static let prefix = "_cb/"
  /// Anna's own metadata, reserved for the front door that speaks its protocol.
  package static let anna = "ANNA_METADATA|"

  /// A set lattice with the names of all functions.
  package static let functionIndex = Key("_cb/functions")
  /// A set lattice with the names of all DAGs.
  package static let dagIndex = Key("_cb/dags")

  /// Eight bytes, little-endian: the number of changes the registry has seen.
  package static let registryVersion = Key("_cb/registry-version")
  /// What the keys of all stored intents begin with.
  package static let intentPrefix = Key("_cb/intent/")

  package static func function(_ name: String) -> Key { Key("_cb/function/\(name)") }
  package static func dag(_ name: String) -> Key { Key("_cb/dag/\(name)") }
  package static func bundle(_ digest: ContentDigest) -> Key { Key("_cb/bundle/\(digest.hex)") }
  package static func bundleChunk(_ digest: ContentDigest, _ number: Int) -> Key {
    Key("_cb/bundle/\(digest.hex)/\(number)")
  }
  /// What the keys of a bundle's chunks begin with.
  package static func bundleChunks(_ digest: ContentDigest) -> Key {
    Key("_cb/bundle/\(digest.hex)/")
  }
  /// Where a submitted call's result is kept.
  package static func future(_ id: InvocationID) -> Key { Key("\(futurePrefix)\(id)") }
  package static let futurePrefix = "_cb/future/"
  /// The stored intent of a submitted call, deleted once its future is stored.
  package static func intent(_ id: InvocationID) -> Key { Key("_cb/intent/\(id)") }
}
