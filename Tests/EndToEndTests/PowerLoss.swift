import ClusterModel
import Foundation
import Testing

/// The machine below a store: what was not synced is gone when its power is cut, all but some of it.
final class PowerLoss: Sendable {
  /// For the process whose power will be cut.
  let environment: [String: String]
  private let table: String
  private let scratch: Scratch

  /// - Parameter ignoring: files whose names end so are never synced, whatever is asked for.
  init(ignoring suffix: String? = nil) throws {
    scratch = try Scratch()
    table = scratch.path + "/table"
    let library = scratch.path + "/powerloss.so"
    let source = Workbench.repository + "/Tests/Fixtures/powerloss.c"
    let outcome = try run(
      "/usr/bin/env", ["cc", "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl", "-lpthread"])
    try #require(outcome.status == 0, "\(outcome)")
    var environment = ["LD_PRELOAD": library, "POWERLOSS_TABLE": table]
    environment["POWERLOSS_IGNORE"] = suffix
    self.environment = environment
  }

  /// Cuts every file of a folder back to what was synced. Of what was not, the beginning may be there,
  /// with a sector that was not written in it: a torn page.
  ///
  /// - Returns: how many bytes were cut, and how many are there without a promise.
  func cut(
    _ folder: String, using random: inout SplitMix64
  ) throws -> (cut: Int, torn: Int) {
    let synced = try syncedSizes()
    var sum = (cut: 0, torn: 0)
    let paths = try FileManager.default.subpathsOfDirectory(atPath: folder).sorted()
    for path in paths.map({ folder + "/" + $0 }) {
      var facts = stat()
      guard stat(path, &facts) == 0, facts.st_mode & S_IFMT == S_IFREG else { continue }
      let size = Int(facts.st_size)
      let kept = min(size, synced[UInt64(facts.st_ino)] ?? 0)
      let left = Bool.random(using: &random) ? Int.random(in: 0...(size - kept), using: &random) : 0
      guard kept + left < size || left > 0 else { continue }
      sum.cut += size - kept - left
      sum.torn += left
      try #require(truncate(path, kept + left) == 0)
      try tear(path, kept..<(kept + left), using: &random)
    }
    return sum
  }

  private static let sector = 512

  private func tear(_ path: String, _ range: Range<Int>, using random: inout SplitMix64) throws {
    guard !range.isEmpty, Bool.random(using: &random) else { return }
    let place = Int.random(in: range, using: &random) / Self.sector * Self.sector
    let hole = max(place, range.lowerBound)..<min(place + Self.sector, range.upperBound)
    let file = try FileHandle(forWritingTo: URL(filePath: path))
    try file.seek(toOffset: UInt64(hole.lowerBound))
    try file.write(contentsOf: Data(count: hole.count))
    try file.close()
  }

  /// By inode.
  private func syncedSizes() throws -> [UInt64: Int] {
    let bytes = [UInt8](try Data(contentsOf: URL(filePath: table)))
    var sizes: [UInt64: Int] = [:]
    for start in stride(from: 0, to: bytes.count, by: 16) {
      let inode = bytes.withUnsafeBytes { $0.load(fromByteOffset: start, as: UInt64.self) }
      let size = bytes.withUnsafeBytes { $0.load(fromByteOffset: start + 8, as: UInt64.self) }
      if inode != 0 { sizes[inode] = Int(size) }
    }
    return sizes
  }
}
