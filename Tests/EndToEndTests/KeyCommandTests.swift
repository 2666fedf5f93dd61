import CloudburstClient
import Foundation
import Testing

/// `cbctl kv` as a user types it.
@Suite(.serialized, .timeLimit(.minutes(5))) struct KeyCommandTests {
  @Test func everyTypeIsPutAndPrinted() throws {
    let dev = try LocalDev()
    for (type, words, text) in [
      ("counter", ["5"], "5"), ("counter", ["-2"], "3"), ("grow-counter", ["4"], "4"),
      ("max", ["1.5"], "1.5"), ("max", ["9"], "9"), ("min", ["-3"], "-3"),
      ("flag", ["true"], "true"),
      ("set", [#"["b", 1]"#], #"[1,"b"]"#), ("ordered-set", [#"["b", "a"]"#], #"["a","b"]"#),
      ("or-set", [#"["x", "y"]"#], #"["x","y"]"#),
      ("priority", [#""later""#, "--priority", "2"], "later"),
      ("priority", [#""now""#, "--priority", "-1"], "now"),
      ("lww-map", [#"{"a": 1, "b": 2}"#], #"{"a":1,"b":2}"#),
      ("lww-map", [#"{"a": null}"#], #"{"b":2}"#),
      ("map", [#"{"n": {"counter": 2}, "t": {"set": ["x"]}}"#], #"{"n":2,"t":["x"]}"#),
      ("map", [#"{"n": {"counter": 3}}"#], #"{"n":5,"t":["x"]}"#),
      ("hyperloglog", [#"["a", "b", "a"]"#], "2"), ("causal", [#""v""#], #"["v"]"#),
      ("causal-multi", ["7"], "[7]"),
    ] {
      let options = Array(words.dropFirst())
      let put = try dev.cbctl(
        ["kv", "put", "k/\(type)", "--type", type] + options + ["--"] + words.prefix(1))
      #expect(put.status == 0, "\(type): \(put)")
      #expect(try dev.cbctl("kv", "get", "k/\(type)").text == text, "\(type)")
      let json = try dev.cbctl("kv", "get", "k/\(type)", "-o", "json").text
      #expect(json.contains(#""type":"\#(type)""#), "\(json)")
    }
    #expect(try dev.cbctl("kv", "del", "k/or-set", "--element", #""x""#).status == 0)
    #expect(try dev.cbctl("kv", "get", "k/or-set").text == #"["y"]"#)
  }

  @Test func anotherTypeAndAnUnfitValueAreNamed() throws {
    let dev = try LocalDev()
    #expect(try dev.cbctl("kv", "put", "n", "2").status == 0)
    let conflict = try dev.cbctl("kv", "put", "n", "1", "--type", "counter")
    #expect(conflict.status == 6 && conflict.errors.contains("LATTICE"), "\(conflict)")
    #expect(try dev.cbctl("kv", "get", "n").text == "2")
    let unfit = try dev.cbctl("kv", "put", "c", #""x""#, "--type", "counter")
    #expect(unfit.status == 2 && unfit.errors.contains("an integer to add"), "\(unfit)")
    let rankless = try dev.cbctl("kv", "put", "p", "1", "--type", "priority")
    #expect(rankless.status == 2 && rankless.errors.contains("--priority"), "\(rankless)")
  }

  @Test func bytesGoInAndOutAsTheyAre() throws {
    let dev = try LocalDev()
    let bytes = Data((0...255).map { UInt8($0) })
    #expect(try dev.cbctl(["kv", "put", "b", "-"], input: bytes).status == 0)
    let json = try dev.cbctl("kv", "get", "b", "-o", "json").text
    #expect(json.contains(#""value":"\#(bytes.base64EncodedString())""#), "\(json)")
    #expect(try dev.cbctl("kv", "put", "t", "not json", "--raw").status == 0)
    #expect(try dev.cbctl("kv", "get", "t", "--raw").output == "not json")
  }

  @Test func aKeyIsExplained() throws {
    let dev = try LocalDev(durable: true)
    #expect(try dev.cbctl("kv", "put", "n", "2", "--level", "durable").status == 0)
    let text = try dev.cbctl("kv", "explain", "n").text
    #expect(text.contains("lww") && text.contains("in the synced log"), "\(text)")
    #expect(text.contains("requests a second"), "\(text)")
    let json = try dev.cbctl("kv", "explain", "n", "-o", "json").text
    #expect(json.contains(#""tier":"memory""#) && json.contains(#""replicas":[]"#), "\(json)")
    #expect(try dev.cbctl("kv", "explain", "absent").status == 3)
  }

  @Test func theCopiesOfAKeyAreExplained() throws {
    let dev = try LocalDev(durable: true, options: ["--storage-nodes", "3"])
    #expect(try dev.cbctl("kv", "put", "n", "2", "--level", "durable").status == 0)
    let outcome = try dev.cbctl("kv", "explain", "n", "-o", "json")
    #expect(outcome.status == 0, "\(outcome)")
    let json = outcome.text
    let parts = json.components(separatedBy: #""shard":"storage"#)
    #expect(parts.count == 3, "an owner and a replica: \(json)")
    #expect(json.components(separatedBy: #""current":true"#).count == 3, "\(json)")
  }

  @Test func anExportIsImportedElsewhereByteForByte() async throws {
    let source = try LocalDev()
    let target = try LocalDev()
    let cloud = try await CloudburstClient.connect(to: source.endpoint)
    try await cloud.put("native", ["a": [1.5, 2]])
    try await cloud.put("text", "grüße")
    try await cloud.counter("counter").add(-3)
    try await cloud.removableSet("or").add("x")
    try await cloud.removableSet("or").add("y")
    try await cloud.removableSet("or").remove("x")
    try await cloud.fields("fields").put("f", 1)
    try await cloud.map("map").add(2, to: "n")
    try await cloud.causal("causal").put("a", after: nil)
    try await cloud.causal("causal").put("b", after: nil)
    try await cloud.priority("priority").put(Double.pi, priority: -1)
    try await cloud.estimate("estimate").add(0..<5000)
    for number in 0..<500 { try await cloud.put("many/\(number)", number) }
    let exported = try source.cbctl("kv", "export")
    #expect(
      exported.status == 0 && exported.errors.contains("exported 509 keys"), "\(exported.errors)")
    for _ in 0..<2 {
      let imported = try target.cbctl(["kv", "import", "-"], input: Data(exported.output.utf8))
      #expect(imported.status == 0 && imported.errors.contains("imported 509 keys"), "\(imported)")
    }
    let again = try target.cbctl("kv", "export")
    func payloads(_ text: String) throws -> [String: String] {
      var lines: [String: String] = [:]
      for line in text.split(separator: "\n") {
        let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
        let fields = object ?? [:]
        let payload =
          "\(fields["text"] ?? "-") \(fields["base64"] ?? "-") \(fields["encoding"] ?? "-")"
        lines["\(fields["key"] ?? "?") \(fields["type"] ?? "?")"] = payload
      }
      return lines
    }
    let before = try payloads(exported.output)
    #expect(before.count == 509)
    #expect(try payloads(again.output) == before)
    let bad = try target.cbctl(["kv", "import", "-"], input: Data("{}\n".utf8))
    #expect(bad.status == 2 && bad.errors.contains("line 1"), "\(bad)")
    await cloud.close()
  }

  @Test func aWatchTellsTypeAndValue() throws {
    let dev = try LocalDev()
    #expect(try dev.cbctl("kv", "put", "s", #"["a"]"#, "--type", "set").status == 0)
    let line = try dev.cbctl("kv", "watch", "s", "--count", "1", "-o", "json").text
    #expect(line.contains(#""type":"set""#) && line.contains(#""value":["a"]"#), "\(line)")
  }
}
