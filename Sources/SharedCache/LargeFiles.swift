import ClusterModel
import Glibc
import Platform

/// The files of large values: written once, unlinked when their record goes. A transaction's new files
/// go with it when it fails, and old ones only when it has succeeded.
struct LargeFiles {
  private var current: [Key: UInt64] = [:]
  private var lastNumber: UInt64 = 0
  /// Since the last commit: what each touched key had before.
  private var before: [Key: UInt64] = [:]
  private var created: [UInt64] = []
  private var replaced: [UInt64] = []

  /// - Throws: `noSpace` when shared memory has no room for the value; no file is left behind.
  mutating func create(
    for key: Key, _ payload: Bytes, in folder: String
  ) throws(CacheError) -> UInt64 {
    lastNumber += 1
    do {
      let file = try MappedFile(
        creating: CacheFolder.largeValue(lastNumber, in: folder), byteCount: payload.count)
      payload.withUnsafeBytes { file.mutableBytes.copyMemory(from: $0) }
    } catch {
      throw CacheError(error)
    }
    created.append(lastNumber)
    current[key] = lastNumber
    return lastNumber
  }

  mutating func removeLater(_ key: Key) {
    guard !current.isEmpty, let number = current.removeValue(forKey: key) else { return }
    replaced.append(number)
    // A file of this very transaction was nobody's before it.
    if !created.contains(number) { before[key] = number }
  }

  /// - Returns: whether files were removed.
  mutating func commit(in folder: String) -> Bool {
    for number in replaced { unlink(CacheFolder.largeValue(number, in: folder)) }
    let removed = !replaced.isEmpty
    forgetTransaction()
    return removed
  }

  mutating func rollBack(in folder: String) {
    for number in created { unlink(CacheFolder.largeValue(number, in: folder)) }
    current = current.filter { !created.contains($0.value) }
    current.merge(before) { _, old in old }
    forgetTransaction()
  }

  mutating func removeAll(in folder: String) {
    for number in current.values.sorted() { unlink(CacheFolder.largeValue(number, in: folder)) }
    current = [:]
    forgetTransaction()
  }

  private mutating func forgetTransaction() {
    before = [:]
    created = []
    replaced = []
  }
}
