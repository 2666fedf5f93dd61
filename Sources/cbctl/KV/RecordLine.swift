import CloudburstClient
import CloudburstValues
import ClusterModel
import WireProtocol

/// A stored record as a line of an export: everything that decides how it merges, so that an import
/// brings back the same bytes.
struct RecordLine {
  var key: String
  var record: Record

  init(key: String, record: Record) {
    self.key = key
    self.record = record
  }

  var byteCount: Int { key.utf8.count + record.payload.count }

  /// Whether a plain value is not what its key holds after it was written there.
  func isOutdated(by version: Version) -> Bool {
    record.lattice == .lastWriterWins && record.stamp != 0 && version.stamp != record.stamp
  }

  /// The owner stamps it then, as a new write.
  mutating func forgetStamp() { record.stamp = 0 }

  var jsonText: String {
    var fields: [String: AnyValue] = [
      "key": .string(key), "type": .string(record.lattice.word),
      "encoding": .integer(Int64(record.encoding)), "stamp": .unsigned(record.stamp),
    ]
    if let stamp = Int64(exactly: record.stamp) { fields["stamp"] = .integer(stamp) }
    if record.expiry != 0 { fields["expiry"] = .integer(Int64(clamping: record.expiry)) }
    if !record.metadata.isEmpty { fields["metadata"] = .bytes(Array(record.metadata)) }
    if let text = String(validating: record.payload, as: UTF8.self) {
      fields["text"] = .string(text)
    } else {
      fields["base64"] = .bytes(Array(record.payload))
    }
    return AnyValue.map(fields).jsonText
  }

  /// - Throws: `badArgument`, saying what is wrong with the line.
  init(json: [UInt8]) throws {
    let fields: [String: AnyValue]
    do throws(ValueError) {
      fields = try EncodedValue(encoding: .json, bytes: json).decode()
    } catch {
      throw Failure(.badArgument, "it is no JSON object: \(error)")
    }
    guard case .string(let key)? = fields["key"] else { throw Self.missing("key") }
    guard case .string(let word)? = fields["type"],
      let lattice = LatticeType.allCases.first(where: { $0.word == word && $0 != .none })
    else { throw Failure(.badArgument, "its type is none that this cbctl knows") }
    guard let encoding = try Self.number("encoding", in: fields, or: 0),
      let encoding = UInt8(exactly: encoding)
    else { throw Self.missing("encoding") }
    record = Record(
      lattice: lattice, encoding: encoding, flags: .blind,
      version: Version(generation: 0, stamp: try Self.number("stamp", in: fields, or: 0) ?? 0),
      payload: try Self.payload(in: fields)[...])
    record.expiry = try Self.number("expiry", in: fields, or: 0) ?? 0
    if let metadata = fields["metadata"] {
      record.metadata = try Self.bytes(metadata, "metadata")[...]
    }
    self.key = key
  }

  private static func payload(in fields: [String: AnyValue]) throws -> [UInt8] {
    switch (fields["text"], fields["base64"]) {
    case (.string(let text)?, nil): return Array(text.utf8)
    case (nil, let value?): return try bytes(value, "base64")
    default: throw Failure(.badArgument, "it needs one of \"text\" and \"base64\"")
    }
  }

  private static func bytes(_ value: AnyValue, _ name: String) throws -> [UInt8] {
    guard case .string = value,
      let bytes = try? EncodedValue(value).converted(to: .json).decode(as: [UInt8].self)
    else { throw Failure(.badArgument, "its \"\(name)\" is not base64") }
    return bytes
  }

  private static func number(
    _ name: String, in fields: [String: AnyValue], or absent: UInt64
  ) throws -> UInt64? {
    switch fields[name] {
    case nil: return absent
    case .integer(let value)?: return UInt64(exactly: value)
    case .unsigned(let value)?: return value
    default: throw missing(name)
    }
  }

  private static func missing(_ name: String) -> Failure {
    Failure(.badArgument, "its \"\(name)\" is missing or of another type")
  }
}
