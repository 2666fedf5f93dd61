import CloudburstClient
import ClusterModel
import Foundation

/// Runs `body` with a cluster of this build, its functions uploaded, and the floor's processes.
func withBench(
  _ conditions: Conditions,
  _ body: (CloudburstClient, borrowing RelayFloor) async throws -> Void
) async throws {
  let folder = NSTemporaryDirectory() + "cbbench-\(ProcessInfo.processInfo.processIdentifier)"
  try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(atPath: folder) }
  let cluster = try BenchCluster(executors: 2)
  let floor = try RelayFloor(folder: folder)
  var configuration = ClientConfiguration()
  configuration.connectTimeLimit = .seconds(15)
  configuration.name = "cbbench"
  let cloud = try await CloudburstClient.connect(
    to: cluster.endpoint, configuration: configuration)
  _ = try await cloud.upload(path: conditions.bundle)
  do {
    try await body(cloud, floor)
  } catch {
    await cloud.close()
    cluster.stop()
    throw error
  }
  await cloud.close()
  cluster.stop()
}
