import Foundation
import Testing

/// What a new user types, in the order of the README.
@Suite(.serialized, .timeLimit(.minutes(10))) struct FirstSessionTests {
  @Test func aNewPackageIsBuiltUploadedAndCalled() throws {
    let dev = try LocalDev()
    try #require(try dev.cbctl("new", "greeting").status == 0)
    let uploaded = try dev.cbctl("upload", "greeting")
    #expect(uploaded.status == 0, "\(uploaded)")
    #expect(uploaded.text.contains("greeting (String) -> String"))
    #expect(try dev.cbctl("call", "greeting", "\"Ann\"").text == "Hello, Ann!")
    let again = try dev.cbctl("upload", "greeting/.build/release/libgreeting.so")
    #expect(again.status == 0)
    #expect(again.text.contains("unchanged"))
  }

  @Test func functionsAreCalledWithValuesReferencesAndFiles() throws {
    let dev = try LocalDev(uploading: ["arithmetic", "word-count"])
    #expect(try dev.cbctl("call", "square", "3").text == "9")
    #expect(try dev.cbctl("kv", "put", "n", "2").status == 0)
    #expect(try dev.cbctl("call", "square", "ref:n").text == "4")
    let book = Workbench.repository + "/Examples/word-count/a-real-book.txt"
    let counted = try dev.cbctl("call", "word-count", "@\(book)", "-o", "json")
    #expect(counted.status == 0, "\(counted)")
    let piped = try dev.cbctl(
      ["call", "word-count", "-", "-o", "json"], input: Data(contentsOf: URL(filePath: book)))
    #expect(piped.output == counted.output)
    let names = try dev.cbctl("functions")
    for name in ["increment", "square", "word-count"] { #expect(names.text.contains(name)) }
  }

  @Test func aCommandSeesWhatTheCommandBeforeItWrote() throws {
    let dev = try LocalDev(uploading: ["arithmetic"])
    for number in 1...20 {
      #expect(try dev.cbctl("kv", "put", "n", "\(number)").status == 0)
      #expect(try dev.cbctl("call", "square", "ref:n").text == "\(number * number)")
    }
  }

  @Test func aComposedCallFeedsOneResultToTheNext() throws {
    let dev = try LocalDev(uploading: ["arithmetic"])
    #expect(try dev.cbctl("dag", "put", "sqinc", "increment -> square").status == 0)
    #expect(try dev.cbctl("dag", "call", "sqinc", "increment=4").text == "25")
    #expect(try dev.cbctl("dag", "ls").text.contains("sqinc"))
  }

  @Test func aSubmittedCallsResultIsFetchedByItsFuture() throws {
    let dev = try LocalDev(uploading: ["arithmetic"])
    let submitted = try dev.cbctl("call", "--async", "square", "5")
    let id = try #require(submitted.text.split(separator: " ").last)
    #expect(try dev.cbctl("result", String(id)).text == "25")
  }

  @Test func statusAndLogsTellWhatHappened() throws {
    let dev = try LocalDev(uploading: ["crashing"])
    #expect(try dev.cbctl("call", "chat", "\"hi\"").status == 0)
    #expect(try dev.cbctl("status").text.contains("yes"))
    let logs = try dev.cbctl("logs").text
    #expect(logs.contains("chat says hi"))
    #expect(logs.contains("printed hi"))
    #expect(try dev.cbctl("logs", "--function", "chat").text.contains("chat says hi"))
  }

  @Test func aBundleInCIsCalledLikeAnyOther() throws {
    let dev = try LocalDev(uploading: ["c-bundle", "hello"])
    #expect(try dev.cbctl("call", "add", "2", "3").text == "5")
    #expect(try dev.cbctl(["call", "reverse", "-"], input: Data("abc".utf8)).text == "cba")
    #expect(try dev.cbctl("call", "hello", "\"Ann\"").text == "Hello, Ann!")
  }

  @Test func visitsAreCountedOnALattice() throws {
    let dev = try LocalDev(durable: true, uploading: ["visits"])
    for count in 1...3 {
      #expect(try dev.cbctl("call", "visit", "\"home\"").text == "\(count)")
    }
    #expect(try dev.cbctl("kv", "get", "visits/home").text == "3")
  }
}

/// What each refusal looks like.
@Suite(.serialized, .timeLimit(.minutes(5))) struct RefusalTests {
  private let dev: LocalDev

  init() throws { dev = try LocalDev(uploading: ["arithmetic", "crashing"]) }

  private static let refusals: [(words: [String], status: Int32, code: String)] = [
    (["call", "sqare", "3"], 3, "FUNCTION_NOT_FOUND"),
    (["call", "square"], 2, "BAD_ARGUMENT"),
    (["call", "square", "1", "2"], 2, "BAD_ARGUMENT"),
    (["call", "square", "\"three\""], 2, "BAD_ARGUMENT"),
    (["call", "square", "three"], 2, "BAD_ARGUMENT"),
    (["call", "square", "ref:nothing"], 3, "KEY_NOT_FOUND"),
    (["call", "square", "@/no/such/file"], 3, "FILE_NOT_FOUND"),
    (["kv", "get", "nothing"], 3, "KEY_NOT_FOUND"),
    (["kv", "put", "_cb/x", "1"], 4, "KEY_RESERVED"),
    (["kv", "put", "n", "1", "--level", "durable"], 2, "LEVEL_UNSUPPORTED"),
    (["dag", "call", "nothing"], 3, "DAG_NOT_FOUND"),
    (["dag", "put", "d", "increment -> nothing"], 3, "FUNCTION_NOT_FOUND"),
    (["dag", "put", "d", "increment -> square; square -> increment"], 2, "BAD_DAG"),
    (["result", "00000000000000000000000000000001"], 3, "RESULT_NOT_FOUND"),
    (["upload", "/no/such/bundle.so"], 3, "FILE_NOT_FOUND"),
    (["call", "refuse", "\"because\""], 1, "FUNCTION_FAILED"),
  ]

  @Test func everyRefusalHasItsCodeAndExitCode() throws {
    for refusal in Self.refusals {
      let outcome = try dev.cbctl(refusal.words)
      #expect(outcome.status == refusal.status, "\(refusal.words): \(outcome)")
      #expect(
        outcome.errors.hasPrefix("error: \(refusal.code): "), "\(refusal.words): \(outcome)")
      #expect(outcome.output.isEmpty, "\(refusal.words): \(outcome)")
    }
  }

  @Test func everyRefusalIsAlsoOneJSONObject() throws {
    for refusal in Self.refusals {
      let outcome = try dev.cbctl(refusal.words + ["-o", "json"])
      let object = try JSONSerialization.jsonObject(with: Data(outcome.errors.utf8))
      let error = try #require((object as? [String: Any])?["error"] as? [String: Any])
      #expect(error["code"] as? String == refusal.code, "\(refusal.words): \(outcome)")
      #expect(outcome.status == refusal.status, "\(refusal.words): \(outcome)")
    }
  }

  @Test func aWordThatIsNoJSONIsShownQuoted() throws {
    #expect(try dev.cbctl("call", "square", "three").errors.contains(#"'"three"'"#))
  }

  @Test func aWrongArgumentSaysWhichAndWhatWasExpected() throws {
    let errors = try dev.cbctl("call", "square", "\"three\"").errors
    #expect(errors.contains("Int"), "\(errors)")
  }

  @Test func aFileThatIsNoBundleIsRefused() throws {
    let path = dev.scratch.path + "/not-a-bundle.so"
    try Data("hello".utf8).write(to: URL(filePath: path))
    let outcome = try dev.cbctl("upload", path)
    #expect(outcome.status == 2)
    #expect(outcome.errors.hasPrefix("error: BUNDLE_INVALID: "), "\(outcome)")
  }

  @Test func nothingListensThere() throws {
    let outcome = try dev.cbctl(
      "call", "square", "3", "--endpoint", "tcp://127.0.0.1:\(Workbench.freePort())",
      "--timeout", "300ms")
    #expect(outcome.status == 5)
    #expect(outcome.errors.contains("cbctl dev"))
  }
}
