import CloudburstClient
import Foundation
import Testing

/// Bundles that are refused: each says what is wrong with which file, and what to do; none of them
/// costs a running executor anything.
@Suite(.serialized, .timeLimit(.minutes(5))) struct BadBundleTests {
  private let dev: LocalDev

  init() throws { dev = try LocalDev() }

  /// Compiles `Tests/Fixtures/refused.c`, broken as `flags` say.
  private func build(_ name: String, _ flags: [String] = []) throws -> String {
    let library = "\(dev.scratch.path)/\(name).so"
    let outcome = try run(
      "/usr/bin/env",
      [
        "cc", "-shared", "-fPIC", "-O1", "-I",
        Workbench.repository + "/PluginSDK/Sources/CCloudburst/include", "-o", library,
        Workbench.repository + "/Tests/Fixtures/refused.c",
      ] + flags)
    try #require(outcome.status == 0, "\(outcome)")
    return library
  }

  /// Writes a sound bundle whose bytes were changed.
  private func write(_ name: String, _ change: (inout Data) -> Void) throws -> String {
    var bytes = try Data(contentsOf: URL(filePath: build("sound-\(name)")))
    change(&bytes)
    let path = "\(dev.scratch.path)/\(name).so"
    try bytes.write(to: URL(filePath: path))
    return path
  }

  private func expectRefusal(of path: String, saying words: String) throws {
    let name = URL(filePath: path).lastPathComponent
    let text = try dev.cbctl("upload", path)
    #expect(text.status == 2, "\(name): \(text)")
    #expect(text.errors.hasPrefix("error: BUNDLE_INVALID: \(name): "), "\(text)")
    #expect(text.errors.contains(words), "\(name): \(text)")
    #expect(text.errors.contains("  try:      "), "\(name): \(text)")
    #expect(text.output.isEmpty)
    let json = try dev.cbctl("upload", path, "-o", "json")
    #expect(json.status == 2, "\(name): \(json)")
    let object = try JSONSerialization.jsonObject(with: Data(json.errors.utf8)) as? [String: Any]
    let error = try #require(object?["error"] as? [String: Any])
    #expect(error["code"] as? String == "BUNDLE_INVALID")
    #expect((error["message"] as? String)?.contains(words) == true, "\(json)")
    #expect((error["hint"] as? String)?.isEmpty == false, "\(json)")
  }

  @Test func filesThatAreNoSharedObjectOfThisMachine() throws {
    try expectRefusal(of: try write("text") { $0 = Data("hello".utf8) }, saying: "no ELF file")
    // The machine's number in an ELF header: 183 is AArch64, 62 is x86-64.
    let other = try write("elsewhere") { $0[18] = $0[18] == 62 ? 183 : 62 }
    try expectRefusal(of: other, saying: "another architecture")
    let half = try write("half") { $0 = $0.prefix($0.count / 2) }
    try expectRefusal(of: half, saying: "cut off")
    #expect(try dev.cbctl("upload", try write("empty") { $0 = Data() }).status == 2)
  }

  @Test func bundlesThatBreakTheContract() throws {
    for (name, flag, words) in [
      ("no-entry", "-Dcloudburst_bundle=other", "cloudburst_bundle"),
      ("no-stamp", "-Dcloudburst_stamp=other", "cloudburst_stamp"),
      ("null", "-DDESCRIPTOR=0", "NULL"),
      ("nothing", "-DCOUNT=0", "at least one function"),
      ("abi-old", "-DVERSION=0", "ABI is too old"),
      ("abi-new", "-DVERSION=99", "ABI is too new"),
      ("twice", "-DFIRST=\"second-of-two\"", "\"second-of-two\" twice"),
      ("undefined", "-DUNDEFINED", "cb_no_such_symbol"),
    ] {
      try expectRefusal(of: try build(name, [flag]), saying: words)
    }
  }

  @Test func swiftCodeOfAnotherToolchain() throws {
    let runtime = "\(dev.scratch.path)/libswiftCore.so"
    let empty = "\(dev.scratch.path)/empty.c"
    try "int nothing;".write(toFile: empty, atomically: true, encoding: .utf8)
    let outcome = try run(
      "/usr/bin/env",
      ["cc", "-shared", "-fPIC", "-Wl,-soname,libswiftCore.so", "-o", runtime, empty])
    try #require(outcome.status == 0, "\(outcome)")
    for version in ["Clang 9.0.0 (older)", "Clang 99.0.0 (newer)"] {
      let path = try build(
        "toolchain", ["-DTOOLCHAIN=\"\(version)\"", "-Wl,--no-as-needed", runtime])
      try expectRefusal(of: path, saying: version)
    }
  }

  @Test func refusalsCostNoExecutorAndAGoodUploadFollows() throws {
    for number in 0..<3 {
      let path = try build("bad-\(number)", ["-DVERSION=\(90 + number)"])
      #expect(try dev.cbctl("upload", path).status == 2)
    }
    #expect(try dev.cbctl("upload", try build("good")).status == 0)
    #expect(try dev.cbctl("call", "second-of-two", "7").text == "7")
    #expect(try dev.cbctl("status", "-o", "json").output.contains("\"executorRestarts\":0"))
  }

  @Test func aFunctionOfAnotherBundleKeepsItsName() throws {
    #expect(try dev.cbctl("upload", try build("good")).status == 0)
    try dev.upload("arithmetic")
    let outcome = try dev.cbctl("upload", try build("thief", ["-DFIRST=\"square\""]))
    #expect(outcome.status == 6, "\(outcome)")
    #expect(outcome.errors.hasPrefix("error: CONFLICT: "), "\(outcome)")
    #expect(outcome.errors.contains("arithmetic"), "\(outcome)")
    #expect(try dev.cbctl("call", "square", "3").text == "9")
  }
}

/// Uploads that stop half-way.
@Suite(.serialized, .timeLimit(.minutes(5))) struct InterruptedUploadTests {
  /// A sound bundle of many chunks: the loader does not mind what follows the last section.
  private static func large(in folder: String, megabytes: Int) throws -> String {
    var bytes = try Data(contentsOf: URL(filePath: Bundles.path(of: "misbehaving")))
    bytes.append(Data(count: megabytes << 20))
    let path = folder + "/large.so"
    try bytes.write(to: URL(filePath: path))
    return path
  }

  @Test func anUploadThatWasKilledIsGoneOnWith() throws {
    let dev = try LocalDev()
    let path = try Self.large(in: dev.scratch.path, megabytes: 24)
    let upload = try dev.launch("upload", path)
    var chunks = 0
    while chunks == 0 {
      chunks = try dev.cbctl("kv", "ls", "_cb/bundle/").text.split(separator: "\n").count
    }
    #expect(upload.end(by: SIGKILL) == nil, "the upload was over before it was killed")
    #expect(try dev.cbctl("call", "fine").status == 3)
    let again = try dev.cbctl("upload", path)
    #expect(again.status == 0, "\(again)")
    #expect(try dev.cbctl("call", "fine").text == "fine")
  }

  @Test func aClientThatVanishesHalfWayLeavesRoomForTheNext() async throws {
    let dev = try LocalDev()
    let path = try Self.large(in: dev.scratch.path, megabytes: 3)
    let bytes = try Array(Data(contentsOf: URL(filePath: path)))
    // More than may be open at a time: each is begun, sent in part, and left.
    for number in 0..<40 {
      let cloud = try await CloudburstClient.connect(to: dev.endpoint)
      let task = Task {
        try await cloud.upload(bytes + [UInt8(number)], named: "vanishing.so") { progress in
          if progress.bytesSent > 0 { withUnsafeCurrentTask { $0?.cancel() } }
        }
      }
      await #expect(throws: CancellationError.self) { _ = try await task.value }
      await cloud.close()
    }
    let uploaded = try dev.cbctl("upload", path)
    #expect(uploaded.status == 0, "\(uploaded)")
    #expect(try dev.cbctl("call", "fine").text == "fine")
    // Those that had to make room left nothing behind.
    let left = Set(
      try dev.cbctl("kv", "ls", "_cb/bundle/").text.split(separator: "\n")
        .compactMap { $0.split(separator: "/").dropFirst(2).first })
    #expect(left.count <= 33, "\(left.count)")
  }
}
