import Foundation
import Testing

/// Calls and values that are refused: which word is wrong, and what was expected.
@Suite(.serialized, .timeLimit(.minutes(5))) struct BadCallTests {
  private let dev: LocalDev

  init() throws { dev = try LocalDev(uploading: ["arithmetic"]) }

  /// Text and JSON say the same.
  private func expect(
    _ words: [String], _ status: Int32, _ code: String, saying parts: [String]
  ) throws {
    let text = try dev.cbctl(words)
    #expect(text.status == status, "\(words): \(text)")
    #expect(text.errors.hasPrefix("error: \(code): "), "\(words): \(text)")
    for part in parts { #expect(text.errors.contains(part), "\(words): \(part): \(text)") }
    let json = try dev.cbctl(words + ["-o", "json"])
    let object = try JSONSerialization.jsonObject(with: Data(json.errors.utf8)) as? [String: Any]
    let error = try #require(object?["error"] as? [String: Any], "\(json)")
    #expect(error["code"] as? String == code, "\(words): \(json)")
    let said = "\(error["message"] ?? "") \(error["hint"] ?? "")"
    for part in parts { #expect(said.contains(part), "\(words): \(part): \(json)") }
    #expect(json.status == status)
  }

  @Test func anUnknownFunctionNamesItsNeighbour() throws {
    try expect(
      ["call", "sqare", "3"], 3, "FUNCTION_NOT_FOUND", saying: ["sqare", "did you mean square"])
  }

  @Test func aWrongNumberOfArgumentsSaysHowManyAreTaken() throws {
    try expect(
      ["call", "square"], 2, "BAD_ARGUMENT", saying: ["takes 1 argument, not 0", "(Int) -> Int"])
    try expect(
      ["call", "square", "1", "2"], 2, "BAD_ARGUMENT",
      saying: ["takes 1 argument, not 2", "(Int) -> Int"])
  }

  @Test func aWrongTypeSaysWhichArgumentAndWhatWasExpected() throws {
    try expect(["call", "square", "\"x\""], 2, "BAD_ARGUMENT", saying: ["argument 1", "Int"])
    try expect(["call", "square", "1.5"], 2, "BAD_ARGUMENT", saying: ["argument 1", "Int"])
  }

  @Test func whatIsNoJSONIsShownAsItWouldBe() throws {
    try expect(["call", "square", "{\"a\":"], 2, "BAD_ARGUMENT", saying: ["is no JSON"])
  }

  @Test func aMissingReferenceNamesItsKey() throws {
    try expect(
      ["call", "square", "ref:no-such-key"], 3, "KEY_NOT_FOUND", saying: ["no-such-key"])
  }

  @Test func aKeyOverTheLimitSaysTheLimit() throws {
    let key = String(repeating: "k", count: 1025)
    try expect(["kv", "put", key, "1"], 2, "KEY_INVALID", saying: ["1024"])
    try expect(["call", "square", "ref:\(key)"], 2, "KEY_INVALID", saying: ["1024"])
    #expect(try dev.cbctl("kv", "put", String(repeating: "k", count: 1024), "1").status == 0)
  }

  @Test func aValueOverTheLimitSaysTheLimit() throws {
    let path = dev.scratch.path + "/huge"
    _ = FileManager.default.createFile(atPath: path, contents: nil)
    try #require(truncate(path, (256 << 20) + 1) == 0)
    try expect(["kv", "put", "k", "@\(path)"], 2, "VALUE_TOO_LARGE", saying: ["268435456"])
  }
}

/// What keeps a cluster from starting.
@Suite(.serialized, .timeLimit(.minutes(5))) struct RefusedStartTests {
  private let scratch: Scratch

  init() throws { scratch = try Scratch() }

  private func start(_ arguments: [String]) throws -> Outcome {
    try run(
      Workbench.programs + "/cbctl", ["dev", "--detach"] + arguments, in: scratch.path,
      environment: ["TMPDIR": scratch.path])
  }

  @Test func aPortOfAnotherProgramIsNamed() throws {
    let port = Workbench.freePort()
    let listener = try Listening(port: port)
    let outcome = try start(["--memory", "--port", "\(port)"])
    #expect(outcome.status == 6, "\(outcome)")
    #expect(outcome.errors.hasPrefix("error: PORT_IN_USE: "), "\(outcome)")
    #expect(outcome.errors.contains("\(port)"))
    #expect(outcome.errors.contains("--port"))
    listener.close()
  }

  @Test func aDataFolderOfANewerFormatIsLeftAlone() throws {
    let data = scratch.path + "/data"
    try FileManager.default.createDirectory(atPath: data, withIntermediateDirectories: true)
    let format = data + "/FORMAT"
    try "cloudburst 99\n".write(toFile: format, atomically: true, encoding: .utf8)
    let outcome = try start(["--data", data, "--port", "\(Workbench.freePort())"])
    #expect(outcome.status == 6, "\(outcome)")
    #expect(outcome.errors.hasPrefix("error: DATA_FORMAT: "), "\(outcome)")
    #expect(outcome.errors.contains("99"))
    #expect(outcome.errors.contains("  try:      "))
    #expect(try String(contentsOfFile: format, encoding: .utf8) == "cloudburst 99\n")
    #expect(!FileManager.default.fileExists(atPath: data + "/log"))
  }

  @Test func tooFewDescriptorsAreToldBeforeAnythingStarts() throws {
    let outcome = try run(
      "/bin/sh",
      [
        "-c", "ulimit -n 64; exec \"$0\" \"$@\"", Workbench.programs + "/cbctl", "dev", "--detach",
        "--memory", "--port", "\(Workbench.freePort())",
      ], in: scratch.path, environment: ["TMPDIR": scratch.path])
    #expect(outcome.status == 5, "\(outcome)")
    #expect(outcome.errors.contains("may open 64 descriptors"), "\(outcome)")
    #expect(outcome.errors.contains("ulimit -n"), "\(outcome)")
  }
}

/// A port that somebody else has.
final class Listening {
  private let descriptor: Int32

  init(port: UInt16) throws {
    descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = Connecting.address(port)
    let isBound = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
      }
    }
    try #require(isBound && listen(descriptor, 8) == 0)
  }

  func close() { _ = Glibc.close(descriptor) }
}

/// Connections to a port that never say a word.
final class Connecting {
  private var descriptors: [Int32] = []

  static func address(_ port: UInt16) -> sockaddr_in {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    return address
  }

  init(count: Int, to port: UInt16) {
    for _ in 0..<count {
      let descriptor = socket(
        AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
      guard descriptor >= 0 else { return }
      var address = Self.address(port)
      withUnsafePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          _ = connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
      }
      descriptors.append(descriptor)
    }
  }

  func close() {
    for descriptor in descriptors { _ = Glibc.close(descriptor) }
    descriptors = []
  }
}
