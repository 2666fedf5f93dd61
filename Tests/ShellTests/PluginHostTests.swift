import ClusterModel
import Foundation
import PluginHost
import Testing

/// Bundles good and bad, compiled from C while the tests run.
struct PluginHostTests {
  let workshop: BundleWorkshop

  init() throws {
    workshop = try BundleWorkshop()
  }

  @Test func aCallReachesTheFunctionAndItsResultComesBack() throws {
    let bundle = try LoadedBundle(loading: try workshop.build("echo", .body()))
    #expect(bundle.name == "test")
    #expect(bundle.stamp.needsSwift == false)
    #expect(bundle.functions.map(\.name) == ["echo", "refuse", "store", "stray", "later", "fetch"])
    let host = RecordingHost()
    #expect(host.call(bundle, "echo", [1, 2, 3]) == .done)
    #expect(host.services.results == [[1, 2, 3]])
    #expect(host.services.encodings == [0])
  }

  @Test func aFailureCarriesItsCodeAndMessage() throws {
    let bundle = try LoadedBundle(loading: try workshop.build("refuse", .body()))
    let host = RecordingHost()
    #expect(host.call(bundle, "refuse", []) == .failed)
    #expect(host.services.failures == ["FUNCTION_FAILED: not today"])
  }

  @Test func stateIsReadAndWrittenThroughTheServices() throws {
    let bundle = try LoadedBundle(loading: try workshop.build("store", .body()))
    let host = RecordingHost()
    #expect(host.call(bundle, "store", [7]) == .done)
    #expect(host.services.results == [[7]])
    host.services.refusal = HostRefusal(.lattice, "it is a set")
    #expect(host.call(bundle, "store", [8]) == .failed)
    #expect(host.services.failures == ["LATTICE: it is a set"])
  }

  @Test func aThreadOtherThanTheLoopsIsRefused() throws {
    let bundle = try LoadedBundle(loading: try workshop.build("stray", .body()))
    let host = RecordingHost()
    #expect(host.call(bundle, "stray", []) == .done)
    #expect(host.services.results == [[UInt8(bitPattern: -1)]])
    #expect(host.services.stored.isEmpty)
  }

  @Test func aPendingCallEndsInATurnOfTheLoop() throws {
    let bundle = try LoadedBundle(loading: try workshop.build("later", .body()))
    #expect(bundle.functions.map(\.concurrency) == [1, 1, 1, 1, 8, 8])
    let host = RecordingHost()
    #expect(host.call(bundle, "later", []) == .pending)
    #expect(host.services.results.isEmpty)
    host.poster.runAll()
    #expect(host.services.results == [[42]])
    #expect(host.services.completed == [1])
  }

  @Test func aRequestIsAnsweredThroughResume() throws {
    let bundle = try LoadedBundle(loading: try workshop.build("fetch", .body()))
    let host = RecordingHost()
    #expect(host.call(bundle, "fetch", Array("key".utf8)) == .pending)
    #expect(host.services.reads.map(\.key) == ["key"])
    let token = try #require(host.services.reads.first?.token)
    let bytes: [UInt8] = [5, 6]
    bytes.withUnsafeBytes {
      let view = StoredView.value(BorrowedValue(encoding: 0, bytes: $0))
      host.host.resume(bundle, token: token, with: .success(view))
    }
    #expect(host.services.results == [[5, 6]])
    #expect(host.services.completed == [1])
  }

  @Test func aMissingKeyAndARefusalResumeWithTheirStatus() throws {
    let bundle = try LoadedBundle(loading: try workshop.build("fetch", .body()))
    let host = RecordingHost()
    #expect(host.call(bundle, "fetch", [1]) == .pending)
    host.host.resume(bundle, token: 77, with: .success(nil))
    host.host.resume(bundle, token: 77, with: .failure(HostRefusal(.unavailable)))
    #expect(host.services.results == [[77, 1], [77, UInt8(bitPattern: -5)]])
  }

  @Test func twoVersionsLiveSideBySide() throws {
    let first = try LoadedBundle(loading: try workshop.build("v1", .body(echoed: "1")))
    let second = try LoadedBundle(loading: try workshop.build("v2", .body(echoed: "2")))
    let host = RecordingHost()
    #expect(host.call(first, "echo", [0]) == .done)
    #expect(host.call(second, "echo", [0]) == .done)
    #expect(host.call(first, "echo", [0]) == .done)
    #expect(host.services.results == [[1], [2], [1]])
  }

  @Test(arguments: [
    ("entry", BundleError.Reason.missingSymbol, "-Dcloudburst_bundle=other"),
    ("stamp", .missingSymbol, "-Dcloudburst_stamp=other"),
    ("old", .abiTooOld, "-DVERSION=0"),
    ("new", .abiTooNew, "-DVERSION=99"),
    ("null", .badDescriptor, "-DDESCRIPTOR=0"),
    ("empty", .badDescriptor, "-DCOUNT=0"),
    ("twice", .duplicateFunction, "-DFIRST=\"refuse\""),
    ("pointer", .badFunction, "-DECHO=0"),
    ("name", .badFunction, "-DFIRST=\"a b\""),
  ])
  func aBundleThatBreaksTheContractIsRefused(
    _ name: String, _ reason: BundleError.Reason, _ flag: String
  ) throws {
    let path = try workshop.build(name, .body(), flags: [flag])
    let error = #expect(throws: BundleError.self) { try LoadedBundle(loading: path) }
    #expect(error?.reason == reason, "\(String(describing: error))")
  }

  @Test func noCodeOfARefusedFileRuns() throws {
    let mark = workshop.path("mark")
    let path = try workshop.build("mine", .body(marking: mark), flags: ["-DVERSION=99"])
    #expect(throws: BundleError.self) { try LoadedBundle(loading: path) }
    #expect(!FileManager.default.fileExists(atPath: mark))
    let good = try workshop.build("fine", .body(marking: mark))
    _ = try LoadedBundle(loading: good)
    #expect(FileManager.default.fileExists(atPath: mark), "the constructor would have shown itself")
  }

  @Test func aSetUpRunsWithoutACallAndSaysWhyItFailed() throws {
    let bundle = try LoadedBundle(loading: try workshop.build("setup", .body()))
    let function = try #require(bundle.function(named: "echo"))
    #expect(function.hasSetUp)
    #expect(
      function.limits
        == .init(timeMicroseconds: 5_000_000, memoryMebibytes: 64, attempts: 2))
    let host = RecordingHost()
    #expect(host.host.setUp(function, as: 1))
    host.services.refusal = HostRefusal(.unsupported, "no keys here")
    #expect(host.host.setUp(function, as: 2) == false)
    #expect(host.services.failures == ["SET_UP_FAILED: no keys here"])
  }

  @Test func aTableOfTheFirstBundlesHasNeitherSetUpNorLimits() throws {
    let path = try workshop.build(
      "first", .body(), flags: ["-DTABLE_BYTES=offsetof(cb_function,set_up)"])
    let bundle = try LoadedBundle(loading: path)
    let function = try #require(bundle.function(named: "echo"))
    #expect(!function.hasSetUp)
    #expect(function.limits == .init())
    let host = RecordingHost()
    #expect(host.call(bundle, "echo", [4]) == .done)
    #expect(host.services.results == [[4]])
  }

  @Test func swiftCodeOfAnotherToolchainIsRefused() throws {
    let path = try workshop.buildNeedingSwift(
      "foreign", .body(), flags: ["-DTOOLCHAIN=\"Swift 1\""])
    let error = #expect(throws: BundleError.self) { try BundleStamp(ofFileAt: path) }
    #expect(error?.reason == .toolchainMismatch)
    #expect(error?.found == "Swift 1")
    let same = "-DTOOLCHAIN=\"\(BundleStamp.hostToolchain)\""
    let fine = try workshop.buildNeedingSwift("native", .body(), flags: [same])
    #expect(try BundleStamp(ofFileAt: fine).needsSwift)
  }

  @Test func codeInCMayComeFromAnyCompiler() throws {
    let path = try workshop.build("gcc", .body(), flags: ["-DTOOLCHAIN=\"Some C\""])
    #expect(try BundleStamp(ofFileAt: path).toolchain == "Some C")
  }

  @Test func aFileOfAnotherKindIsRefused() throws {
    var reasons: [BundleError.Reason] = []
    for bytes in [[], Array("#!/bin/sh\n".utf8), [0x7F, 0x45, 0x4C, 0x46]] as [[UInt8]] {
      let error = #expect(throws: BundleError.self) { try BundleStamp(ofFile: bytes, path: "x") }
      reasons.append(try #require(error?.reason))
    }
    #expect(reasons == [.notELF, .notELF, .truncated])
    let missing = #expect(throws: BundleError.self) {
      try LoadedBundle(loading: workshop.path("none"))
    }
    #expect(missing?.reason == .notReadable)
    #expect(missing?.failure.code == .fileNotFound)
  }

  @Test func anotherArchitectureIsRefused() throws {
    var bytes = try workshop.bytes(of: workshop.build("foreign", .body()))
    bytes[18] = 0xF3
    let error = #expect(throws: BundleError.self) { try BundleStamp(ofFile: bytes, path: "x") }
    #expect(error?.reason == .wrongArchitecture)
    #expect(error?.found == "ELF machine 243")
  }

  @Test func aFileCutAnywhereIsRefusedNotRead() throws {
    let bytes = try workshop.bytes(of: workshop.build("whole", .body()))
    _ = try BundleStamp(ofFile: bytes, path: "x")
    for count in stride(from: 0, to: bytes.count, by: 61) {
      #expect(throws: BundleError.self, "\(count) bytes") {
        try BundleStamp(ofFile: Array(bytes.prefix(count)), path: "x")
      }
    }
  }

  @Test func damagedHeadersGiveErrorsOrStampsNeverTraps() throws {
    let whole = try workshop.bytes(of: workshop.build("whole", .body()))
    let headers = whole.count - 64 * 40
    for seed in UInt64(1)...2000 {
      var random = PluginRandom(state: seed)
      var bytes = whole
      for _ in 0..<3 {
        let range = Bool.random(using: &random) ? 16..<64 : headers..<whole.count
        bytes[Int.random(in: range, using: &random)] = UInt8.random(in: 0...255, using: &random)
      }
      _ = try? BundleStamp(ofFile: bytes, path: "seed \(seed)")
    }
  }
}

private struct PluginRandom: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return state ^ (state >> 29)
  }
}
