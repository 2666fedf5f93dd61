import CRocksDB
import ClusterModel
import Glibc
import WireProtocol

/// Merging of records inside RocksDB: what is written is a state, and reading, flushing and
/// compacting join the states of a key, in whatever pieces RocksDB has them.
///
/// The closures capture nothing, as C asks. RocksDB frees results through `delete_value`, so they
/// are malloc'd.
func recordMergeOperator() -> OpaquePointer? {
  rocksdb_mergeoperator_create(
    nil,
    { _ in },
    { _, _, _, existing, existingCount, operands, counts, count, success, resultCount in
      join(existing, existingCount, Operands(operands, counts, count), success, resultCount)
    },
    { _, _, _, operands, counts, count, success, resultCount in
      join(nil, 0, Operands(operands, counts, count), success, resultCount)
    },
    { _, value, _ in free(UnsafeMutableRawPointer(mutating: value)) },
    { _ in UnsafeRawPointer(operatorName.utf8Start).assumingMemoryBound(to: CChar.self) })
}

/// Part of the stored format: RocksDB refuses to open a database written under another name.
private let operatorName: StaticString = "cloudburst.record.1"

private struct Operands {
  let values: UnsafePointer<UnsafePointer<CChar>?>?
  let counts: UnsafePointer<Int>?
  let count: Int

  init(
    _ values: UnsafePointer<UnsafePointer<CChar>?>?, _ counts: UnsafePointer<Int>?, _ count: Int32
  ) {
    self.values = values
    self.counts = counts
    self.count = Int(count)
  }
}

/// - Returns: nil with `success` 0 when a value is not a record: RocksDB then reports corruption
///   instead of serving anything.
private func join(
  _ existing: UnsafePointer<CChar>?, _ existingCount: Int, _ operands: Operands,
  _ success: UnsafeMutablePointer<UInt8>?, _ resultCount: UnsafeMutablePointer<Int>?
) -> UnsafeMutablePointer<CChar>? {
  success?.pointee = 0
  resultCount?.pointee = 0
  var joined: Record?
  if let existing {
    guard let record = record(existing, existingCount) else { return nil }
    joined = record
  }
  for index in 0..<operands.count {
    guard let value = operands.values?[index], let count = operands.counts?[index],
      let record = record(value, count)
    else { return nil }
    joined.mergeInLog(record)
  }
  guard let bytes = joined?.encoded(), let result = malloc(bytes.count) else { return nil }
  bytes.withUnsafeBytes { result.copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
  success?.pointee = 1
  resultCount?.pointee = bytes.count
  return result.assumingMemoryBound(to: CChar.self)
}

private func record(_ bytes: UnsafePointer<CChar>, _ count: Int) -> Record? {
  try? Record(Array(UnsafeRawBufferPointer(start: bytes, count: count))[...])
}
