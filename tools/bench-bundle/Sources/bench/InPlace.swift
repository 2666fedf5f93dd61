import CloudburstFunctions
import Glibc

/// A stored value looked at where it lies: nothing of it is copied.
private struct InPlace: Value {
  let address: UInt
  let count: Int
  let last: UInt8

  init(raw: UnsafeRawBufferPointer) throws(ValueError) {
    address = UInt(bitPattern: raw.baseAddress)
    count = raw.count
    last = raw.last ?? 0
  }

  init(from reader: inout NativeReader) throws(ValueError) {
    throw ValueError(expected: "raw bytes", found: "a native value")
  }

  func encode(into writer: inout NativeWriter) throws(ValueError) {
    throw ValueError(expected: "a value to store", found: "a look at a stored one")
  }
}

/// How long a look took, how much there was, and in which mapped file it lies.
struct Seen: Codable, Value {
  var nanoseconds: Double
  var count: Int
  var file: String
}

func seenInPlace(_ key: String, _ context: Context) throws -> Seen {
  // The first look brings the value, the second one is measured.
  _ = try context.get(key, as: InPlace.self)
  let start = clock(CLOCK_MONOTONIC)
  let value = try context.get(key, as: InPlace.self)
  let elapsed = clock(CLOCK_MONOTONIC) - start
  guard let value else { return Seen(nanoseconds: 0, count: 0, file: "") }
  return Seen(
    nanoseconds: elapsed, count: value.count, file: mappedFile(at: value.address))
}

/// The path of the file that is mapped at an address of this process; empty where it is plain memory.
private func mappedFile(at address: UInt) -> String {
  guard let maps = fopen("/proc/self/maps", "r") else { return "" }
  defer { fclose(maps) }
  var line = [CChar](repeating: 0, count: 4096)
  while fgets(&line, Int32(line.count), maps) != nil {
    let bytes = line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
    let fields = String(decoding: bytes, as: UTF8.self).split { $0 == " " || $0 == "\n" }
    let range = fields[0].split(separator: "-").compactMap { UInt($0, radix: 16) }
    if range.count == 2, range[0] <= address, address < range[1] {
      return fields.count > 5 ? String(fields[5]) : ""
    }
  }
  return ""
}
