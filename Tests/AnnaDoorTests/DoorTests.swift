import ClusterModel
import Testing
import WireProtocol

@testable import AnnaDoor

/// What the door does with requests, stores and clients that are not as they should be.
struct DoorTests {
  private func request(
    _ type: UInt32, _ tuples: [AnnaKeyTuple], to address: String = "tcp://127.0.0.1:6480",
    id: String = "x"
  ) -> Bytes {
    var request = AnnaKeyRequest()
    request.type = type
    request.tuples = tuples
    request.responseAddress = Bytes(text: address)
    request.requestID = Bytes(text: id)
    return request.encoded()
  }

  private func errors(_ answers: [Bytes]) throws -> [[UInt32]] {
    try answers.map { try AnnaKeyResponse.decode($0).tuples.map(\.error.number) }
  }

  private func value(_ stamp: UInt64, _ text: String) -> Bytes {
    AnnaLWWValue(timestamp: stamp, value: Bytes(text: text)).encoded()
  }

  @Test func aBatchIsAnsweredOnceAndInOrder() throws {
    var harness = DoorHarness()
    let frame = request(
      2,
      [
        AnnaKeyTuple(key: "a", latticeType: 1, payload: value(1, "x")),
        AnnaKeyTuple(key: "", latticeType: 1, payload: value(1, "x")),
        AnnaKeyTuple(key: "b", latticeType: 2, payload: [0x0a, 0x00]),
      ])
    let answers = harness.answers(
      frame, storeSays: KeyTuple(key: Key("a")), DoorHarness.failed("b", .lattice))
    #expect(try errors(answers) == [[0, 202, 4]])
    let keys = try AnnaKeyResponse.decode(answers[0]).tuples.map(\.key.text)
    #expect(keys == ["a", "", "b"])
  }

  @Test func aBatchOfAddressRequestsIsAnsweredWhole() throws {
    var harness = DoorHarness()
    var request = AnnaAddressRequest()
    request.responseAddress = Bytes(text: "tcp://127.0.0.1:6780")
    request.keys = ["a", "b", ""].map { AnnaText(bytes: Bytes(text: $0)) }
    let answers = harness.step(.addressRequest(request.encoded())).answers
    let response = try AnnaAddressResponse.decode(#require(answers.first))
    #expect(answers.count == 1)
    #expect(response.addresses.map(\.key.text) == ["a", "b", ""])
    #expect(response.addresses.allSatisfy { $0.endpoints == [DoorHarness.endpoint] })
  }

  @Test func idsAreCopiedAsTheyCome() throws {
    for id in ["", "127.0.0.1:3_7", "\u{1F408}"] {
      var harness = DoorHarness()
      let answers = harness.answers(
        request(1, [AnnaKeyTuple(key: "a")], id: id),
        storeSays: DoorHarness.failed("a", .keyNotFound))
      #expect(try answers.map { try AnnaKeyResponse.decode($0).responseID.text } == [id])
    }
  }

  @Test func aPutWithoutAnAddressIsDoneInSilence() {
    var harness = DoorHarness()
    let put = request(2, [AnnaKeyTuple(key: "a", latticeType: 1, payload: value(1, "x"))], to: "")
    #expect(harness.answers(put, storeSays: KeyTuple(key: Key("a"))).isEmpty)
    #expect(harness.step(.keyRequest(request(1, [AnnaKeyTuple(key: "a")], to: ""))).isEmpty)
  }

  @Test(arguments: [
    "ipc:///tmp/x", "tcp://localhost:6480", "tcp://127.0.0.1", "tcp://127.0.0.1:0",
    "tcp://127.0.0.1:65536", "tcp://256.0.0.1:1", "tcp://1.2.3:4", "tcp://1..2.3.4:5",
    "tcp://224.0.0.1:6480", "tcp://0.0.0.0:6480", "tcp://127.0.0.1:6480/", "inproc://x",
  ])
  func nothingIsDialledButTheAddressOfAMachine(_ address: String) {
    var harness = DoorHarness()
    #expect(harness.step(.keyRequest(request(1, [AnnaKeyTuple(key: "a")], to: address))).isEmpty)
    #expect(harness.door.statistics.malformed == 1)
  }

  @Test func keysThatAreNoneAreRefusedWithTheirCode() throws {
    var harness = DoorHarness()
    var bad = AnnaKeyTuple()
    bad.key = [0xff, 0xfe]
    let long = AnnaKeyTuple(key: String(repeating: "k", count: 1025))
    let answers = harness.answers(request(1, [bad, long]))
    #expect(try errors(answers) == [[202, 202]])
  }

  @Test func unknownTypesAreErrorsOfTheirKeysOnly() throws {
    var harness = DoorHarness()
    let unknown = request(9, [AnnaKeyTuple(key: "a")])
    #expect(try errors(harness.answers(unknown)) == [[201]])
    let tuples = [
      AnnaKeyTuple(key: "a", latticeType: 0, payload: value(1, "x")),
      AnnaKeyTuple(key: "b", latticeType: 7, payload: value(1, "x")),
      AnnaKeyTuple(key: "c", latticeType: 100, payload: value(1, "x")),
      AnnaKeyTuple(key: "d", latticeType: 257, payload: value(1, "x")),
      AnnaKeyTuple(key: "e", latticeType: 1, payload: [0x0a, 0xff]),
      AnnaKeyTuple(key: "f", latticeType: 1, payload: value(1, "x")),
    ]
    let answers = harness.answers(request(2, tuples), storeSays: KeyTuple(key: Key("f")))
    #expect(try errors(answers) == [[4, 4, 4, 4, 201, 0]])
  }

  @Test func moreKeysThanTheLimitAreRefused() throws {
    var limits = AnnaDoor.Limits()
    limits.tuplesPerRequestMax = 2
    var harness = DoorHarness(limits: limits)
    let tuples = ["a", "b", "c"].map { AnnaKeyTuple(key: $0) }
    #expect(try errors(harness.answers(request(1, tuples))) == [[201, 201, 201]])
  }

  @Test func aTypeThatOnlyNativeClientsKnowIsAnError() throws {
    var harness = DoorHarness()
    let counter = Record(lattice: .counter, payload: [])
    let answers = harness.answers(
      request(1, [AnnaKeyTuple(key: "n")]), storeSays: DoorHarness.found("n", counter))
    #expect(try errors(answers) == [[4]])
  }

  @Test func anEmptyValueIsAValue() throws {
    var harness = DoorHarness()
    let record = Record(
      lattice: .lastWriterWins, version: Version(generation: 0, stamp: 5), payload: [])
    let answers = harness.answers(
      request(1, [AnnaKeyTuple(key: "e")]), storeSays: DoorHarness.found("e", record))
    let tuple = try #require(try AnnaKeyResponse.decode(answers[0]).tuples.first)
    #expect(tuple.error == .none)
    #expect(try AnnaLWWValue.decode(tuple.payload) == AnnaLWWValue(timestamp: 5, value: []))
  }

  @Test func requestsWaitForTheStoreAndAreAskedAgainInOrder() {
    var harness = DoorHarness(storeIsReady: false)
    #expect(harness.questions(request(1, [AnnaKeyTuple(key: "a")])).isEmpty)
    #expect(harness.questions(request(1, [AnnaKeyTuple(key: "b")])).isEmpty)
    #expect(harness.step(.storeReady).questions.map { $0.tuples[0].key } == [Key("a"), Key("b")])
    #expect(harness.step(.storeLost).isEmpty)
    #expect(harness.step(.storeReady).questions.count == 2)
  }

  @Test func anAnswerThatComesTwiceIsPassedOnOnce() {
    var harness = DoorHarness()
    _ = harness.step(.keyRequest(request(1, [AnnaKeyTuple(key: "a")])))
    var response = KeyResponse()
    response.tuples = [DoorHarness.failed("a", .keyNotFound)]
    #expect(harness.step(.storeAnswered(response, number: 1)).answers.count == 1)
    #expect(harness.step(.storeAnswered(response, number: 1)).isEmpty)
  }

  @Test func aRequestTheStoreDoesNotAnswerTimesOutOnce() throws {
    var harness = DoorHarness()
    _ = harness.step(.keyRequest(request(1, [AnnaKeyTuple(key: "a")])))
    harness.advance(.seconds(10))
    let due = try #require(harness.door.nextDeadline)
    #expect(due <= harness.now)
    #expect(try errors(harness.step(.timerFired).answers) == [[3]])
    #expect(harness.step(.timerFired).isEmpty)
    var late = KeyResponse()
    late.tuples = [DoorHarness.failed("a", .keyNotFound)]
    #expect(harness.step(.storeAnswered(late, number: 1)).isEmpty)
  }

  @Test func theStoresRefusalIsTheAnswer() throws {
    for (code, number) in [(ErrorCode.stopping, 3), (.overloaded, 3), (.storageFailed, 506)] {
      var harness = DoorHarness()
      _ = harness.step(.keyRequest(request(1, [AnnaKeyTuple(key: "a")])))
      let effects = harness.step(.storeRefused(Failure(code, "no"), number: 1))
      #expect(try errors(effects.answers) == [[UInt32(number)]])
    }
  }

  @Test func tooManyRequestsAreTurnedAwayAtOnce() throws {
    var limits = AnnaDoor.Limits()
    limits.pendingRequestsMax = 2
    var harness = DoorHarness(limits: limits)
    for _ in 0..<2 { _ = harness.step(.keyRequest(request(1, [AnnaKeyTuple(key: "a")]))) }
    #expect(
      try errors(harness.step(.keyRequest(request(1, [AnnaKeyTuple(key: "a")]))).answers) == [[3]])
    #expect(harness.door.statistics.refused == 1)
  }

  @Test func strangersThatCannotBeReachedPushOutEachOtherOnly() throws {
    var limits = AnnaDoor.Limits()
    limits.clientsMax = 4
    limits.dialingMax = 2
    var harness = DoorHarness(limits: limits)
    let good = try #require(AnswerAddress(Bytes(text: "tcp://127.0.0.1:6480")))
    _ = harness.step(.addressRequest(address(6480)))
    _ = harness.step(.clientReady(good))
    var hungUp: [String] = []
    for port in 7000..<7010 { hungUp += harness.step(.addressRequest(address(port))).hungUp }
    #expect(hungUp == (7000..<7008).map { "tcp://127.0.0.1:\($0)" })
    #expect(harness.step(.addressRequest(address(6480))).dialled.isEmpty)
  }

  @Test func theClientUnusedForLongestMakesRoom() throws {
    var limits = AnnaDoor.Limits()
    limits.clientsMax = 2
    limits.dialingMax = 1
    var harness = DoorHarness(limits: limits)
    for port in [6480, 6481, 6480] {
      _ = harness.step(.addressRequest(address(port)))
      let client = try #require(AnswerAddress(Bytes(text: "tcp://127.0.0.1:\(port)")))
      _ = harness.step(.clientReady(client))
    }
    #expect(harness.step(.addressRequest(address(6482))).hungUp == ["tcp://127.0.0.1:6481"])
  }

  @Test func aClientThatCannotBeReachedInTimeIsGivenUp() throws {
    var harness = DoorHarness()
    _ = harness.step(.addressRequest(address(6480)))
    harness.advance(.seconds(5))
    #expect(try #require(harness.door.nextDeadline) <= harness.now)
    #expect(harness.step(.timerFired).hungUp == ["tcp://127.0.0.1:6480"])
    #expect(harness.door.nextDeadline == nil)
    #expect(harness.step(.addressRequest(address(6480))).dialled == ["tcp://127.0.0.1:6480"])
  }

  @Test func randomFramesEndInAnAnswerOrNothing() {
    var random = SplitMix64(seed: 0xD00B)
    var harness = DoorHarness()
    let frame = Array(request(2, [AnnaKeyTuple(key: "a", latticeType: 1, payload: value(1, "x"))]))
    for round in 0..<20_000 {
      var bent = frame
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        bent[Int.random(in: 0..<bent.count, using: &random)] = UInt8.random(
          in: 0...255, using: &random)
      }
      let length = Int.random(in: 0...bent.count, using: &random)
      let effects = harness.step(.keyRequest(bent[..<length]))
      _ = harness.step(.addressRequest(bent[..<length]))
      #expect(
        effects.questions.count + effects.answers.count <= 1, "seed 0xD00B, round \(round)")
    }
  }

  private func address(_ port: Int) -> Bytes {
    var request = AnnaAddressRequest()
    request.responseAddress = Bytes(text: "tcp://127.0.0.1:\(port)")
    request.keys = [AnnaText(bytes: Bytes(text: "k"))]
    return request.encoded()
  }
}
