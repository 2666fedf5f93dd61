import ClusterModel
package import Membership
import Platform
import WireProtocol

/// The membership's state as one small file, replaced as a whole and synced.
package struct FileMembershipStore: MembershipStore {
  private static let name = "membership"
  private static let bytesMax = 16 << 20
  /// Layout: these 8 bytes, the stable hash of the rest (little-endian), a `MembershipState`.
  private static let magic = Array("cbmembr1".utf8)
  private let path: String

  /// - Parameter folder: made where it is missing.
  package init(folder: String) throws {
    try Files.createFolders(folder)
    path = "\(folder)/\(Self.name)"
  }

  package func load() throws -> MembershipState? {
    guard Files.exists(path) else { return nil }
    let bytes = try Files.contents(of: path, bytesMax: Self.bytesMax)
    let body = bytes.dropFirst(16)
    guard bytes.count >= 16, Array(bytes.prefix(8)) == Self.magic,
      Self.hash(of: body) == Array(bytes[8..<16])
    else {
      throw Failure(
        .dataFormat, "\(path) is no membership of this version, or is damaged",
        hint: "move it away: the members know the ring")
    }
    return try MembershipState.decode(body)
  }

  package func save(_ state: MembershipState) throws {
    var writer = ProtobufWriter()
    state.encode(into: &writer)
    let body = writer.bytes
    try Files.writeAtomically(Self.magic + Self.hash(of: body[...]) + body, to: path)
  }

  private static func hash(of body: Bytes) -> [UInt8] {
    withUnsafeBytes(of: StableHash.of(body).littleEndian) { Array($0) }
  }
}

/// For a cluster that keeps nothing on disk: a router's next life asks the members.
package struct NoMembershipStore: MembershipStore {
  package init() {}
  package func load() -> MembershipState? { nil }
  package func save(_ state: MembershipState) {}
}
