import ArgumentParser
import CloudburstClient
import CloudburstValues
import ClusterModel

struct KVGet: ClusterCommand {
  static let configuration = CommandConfiguration(
    commandName: "get",
    abstract: "Print the value of a key.",
    discussion: """
      A counter prints as its sum, a set as an array, a map as an object, an estimate as a number, and a
      causal value as the array of its concurrent values; raw bytes print as they are. With -o json
      also the type and the version. With --raw text and bytes print as they are, without a newline.

      Examples:
        cbctl kv get n
        cbctl kv get visits/home -o json
        cbctl kv get book --raw > book.txt
      """)

  @OptionGroup var cluster: ClusterOptions
  @Argument(help: "The key.") var key: String
  @Flag(help: "Print the bytes of the value, and nothing else.") var raw = false

  func run(on cloud: CloudburstClient) async throws -> Output {
    guard let record = try await cloud.inspect(key) else {
      throw Failure(.keyNotFound, "there is no value under \(key)", hint: "cbctl kv ls")
    }
    let value = try record.encodedValue()
    var output = try Output(result: value)
    if raw { output.raw = (try? value.converted(to: .raw).bytes) ?? Array(output.text.utf8) }
    output.json = record.json
    return output
  }
}

extension StoredRecord {
  /// Everything there is to say of it, the value as JSON.
  var json: AnyValue {
    var fields: [String: AnyValue] = [:]
    fields["key"] = .string(key)
    fields["type"] = .string(latticeName)
    fields["value"] = (try? Output(result: encodedValue()).json) ?? .null
    fields["generation"] = .integer(Int64(clamping: generation))
    fields["stamp"] = .integer(Int64(clamping: stamp))
    if let expiresAt { fields["expiresAt"] = .integer(Int64(clamping: expiresAt)) }
    switch content {
    case .priority(let priority, _):
      // JSON has no infinities.
      fields["priority"] = priority.isFinite ? .double(priority) : .string("\(priority)")
    case .versions(let versions): fields["versions"] = .array(versions.map(\.json))
    default: break
    }
    return .map(fields)
  }
}

extension StoredRecord.CausalVersion {
  fileprivate var json: AnyValue {
    func clock(_ counts: [String: UInt32]) -> AnyValue {
      .map(counts.mapValues { .integer(Int64($0)) })
    }
    return .map([
      "clock": clock(self.clock),
      "values": .array(values.map { (try? Output(result: $0).json) ?? .null }),
      "dependencies": .map(dependencies.mapValues(clock)),
    ])
  }
}
