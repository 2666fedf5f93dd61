package import ClusterModel
package import Platform

/// The data folder of a storage process: the log of one shard that is alone, or a folder for each
/// shard of a node.
///
/// Which keys belong to which shard depends on how many there are, so a node keeps their number for
/// all of its lives.
package struct StorageFolder: Sendable {
  package let path: String

  /// - Parameter path: an absolute one, of a folder that is there.
  package init(_ path: String) { self.path = path }

  /// - Returns: the folder for the log.
  /// - Throws: `dataFormat` where a node with a router kept its shards here.
  package func ofOneShardAlone() throws(Failure) -> String {
    let count = shardCount
    guard count == 0 else {
      throw Failure(
        .dataFormat, "\(path) holds the data of a storage node with \(count) shards",
        hint: "start it as one of several nodes, or choose another --data")
    }
    return path
  }

  /// - Returns: the folders for the shards' logs, by number.
  /// - Throws: `dataFormat` where the folder is that of a shard alone, or of another number of shards.
  package func ofShards(_ count: Int) throws(Failure) -> [String] {
    guard !isOfOneShardAlone else {
      throw Failure(
        .dataFormat, "\(path) holds the data of a store of one shard, without a router",
        hint: "choose another --data; cbctl kv export and import bring the keys over")
    }
    let known = shardCount
    guard known == 0 || known == count else {
      throw Failure(
        .dataFormat, "\(path) holds \(known) shards, not \(count)",
        hint: "start it with --shards \(known); a node of another number gets a name of its own")
    }
    let folders = (0..<count).map { "\(path)/\(Self.prefix)\($0)" }
    do throws(PlatformError) {
      // The last one first: it tells their number, should the rest not come to be.
      for folder in folders.reversed() { try Files.createFolders(folder) }
    } catch {
      throw Failure(.storageFailed, "the shards' folders cannot be made: \(error)")
    }
    return folders
  }

  /// Of the ring that a shard's log was last a part of; 0 where it never was.
  ///
  /// - Parameter folder: of the log.
  package static func ringOrigin(of folder: String) -> UInt64 {
    guard let bytes = try? Files.contents(of: "\(folder)/\(originName)") else { return 0 }
    return UInt64(String(decoding: bytes, as: UTF8.self)) ?? 0
  }

  /// Returns once it outlives a loss of power.
  package static func keep(ringOrigin: UInt64, in folder: String) throws(PlatformError) {
    try Files.writeAtomically(Array("\(ringOrigin)".utf8), to: "\(folder)/\(originName)")
  }

  private static let originName = "RING"

  package var isOfOneShardAlone: Bool { Files.exists("\(path)/FORMAT") }

  private static let prefix = "shard"

  /// Zero where no node kept its shards.
  package var shardCount: Int {
    let names = (try? Files.names(in: path)) ?? []
    let numbers = names.filter { $0.hasPrefix(Self.prefix) }
      .compactMap { UInt16($0.dropFirst(Self.prefix.count)) }
    return numbers.max().map { Int($0) + 1 } ?? 0
  }
}
