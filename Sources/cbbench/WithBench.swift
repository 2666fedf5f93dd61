import CloudburstClient
import ClusterModel
import Foundation

/// Runs `body` with a cluster of this build, its functions uploaded, and the floor's processes.
func withBench(
  _ conditions: Conditions,
  _ body: (CloudburstClient, borrowing RelayFloor) async throws -> Void
) async throws {
  try await withCluster(conditions, keepsData: false) { cloud, folder in
    let floor = try RelayFloor(folder: folder)
    try await body(cloud, floor)
  }
}

/// Runs `body` with a cluster of this build, its functions uploaded, and a temporary folder.
///
/// - Parameters:
///   - keepsData: in that folder, on the disk that holds it; else in memory.
///   - options: further ones of `cloudburstd dev`.
func withCluster(
  _ conditions: Conditions, executors: Int = 2, keepsData: Bool, options: [String] = [],
  _ body: (CloudburstClient, _ folder: String) async throws -> Void
) async throws {
  let folder = NSTemporaryDirectory() + "cbbench-\(ProcessInfo.processInfo.processIdentifier)"
  try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(atPath: folder) }
  let cluster = try BenchCluster(
    executors: executors, data: keepsData ? folder + "/data" : nil, options: options)
  defer { cluster.stop() }
  let cloud = try await connect(to: cluster, conditions)
  do {
    try await body(cloud, folder)
  } catch {
    await cloud.close()
    throw error
  }
  await cloud.close()
}

/// A client of the cluster, to which the benchmarks' functions are uploaded.
func connect(
  to cluster: borrowing BenchCluster, _ conditions: Conditions
) async throws -> CloudburstClient {
  var configuration = ClientConfiguration()
  configuration.connectTimeLimit = .seconds(15)
  configuration.name = "cbbench"
  let cloud = try await CloudburstClient.connect(
    to: cluster.endpoint, configuration: configuration)
  _ = try await cloud.upload(path: conditions.bundle)
  return cloud
}
