import ClusterModel
import LocalCluster
import Platform

extension RunFolder {
  /// Refuses where a cluster runs at this port; clears what a killed one left behind.
  func takeOver() throws {
    guard let file = RunFile.read(from: self) else { return }
    // A detaching `cbctl` makes the folder before us, but never the run file.
    guard !file.isAlive else {
      throw Failure(
        .portInUse, "a cluster runs at \(file.endpoint) already (process \(file.processID))",
        hint: "cbctl dev stop, or choose another --port")
    }
    removeTree(file.sharedMemoryFolder)
    _ = try? Files.remove(runFile)
    for name in (try? Files.names(in: path)) ?? [] where "\(path)/\(name)" != logFile {
      removeTree("\(path)/\(name)")
    }
  }
}
