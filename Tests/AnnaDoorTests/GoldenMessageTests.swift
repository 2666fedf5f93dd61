import ClusterModel
import Testing
import WireProtocol

@testable import AnnaDoor

/// The bytes that Anna's own clients sent and were answered with, in recorded sessions.
struct GoldenMessageTests {
  /// Requests of a Python client at offset 20 (answers to 6480 and 6780) and of a C++ client.
  enum Sent {
    static let address = bytes(
      "0a147463703a2f2f3132372e302e302e313a363738301201611a0b3132372e302e302e313a32")
    static let put = bytes(
      "0802120f0a01611001220608111202686928011a147463703a2f2f3132372e302e302e313a36343830"
        + "220b3132372e302e302e313a33")
    static let get = bytes(
      "080112050a016128011a147463703a2f2f3132372e302e302e313a36343830220b3132372e302e302e313a34")
    static let putSet = bytes(
      "0802120c0a0173100222030a017828011a147463703a2f2f3132372e302e302e313a36343830"
        + "220b3132372e302e302e313a36")
    static let putOrderedSet = bytes(
      "0802120f0a016f100522060a01610a016228011a147463703a2f2f3132372e302e302e313a36343830"
        + "220b3132372e302e302e313a39")
    static let putPriority = bytes(
      "080212150a01701006220c09000000000000004012017128011a147463703a2f2f3132372e302e302e313a"
        + "36343830220c3132372e302e302e313a3131")
    static let otherAddress = bytes(
      "0a147463703a2f2f3132372e302e302e313a363835331202636b1a0d3132372e302e302e313a335f33")
    static let otherGet = bytes(
      "080112060a02636b28011a147463703a2f2f3132372e302e302e313a36383033220d3132372e302e302e313a"
        + "335f31")
  }

  @Test func anAddressRequestIsAnsweredWithTheEndpoint() {
    var harness = DoorHarness()
    let effects = harness.step(.addressRequest(Sent.address))
    #expect(effects.dialled == ["tcp://127.0.0.1:6780"])
    #expect(
      effects.answers == [
        bytes(
          "0a1a0a016112157463703a2f2f3132372e302e302e313a34363230301a0b3132372e302e302e313a32")
      ])
  }

  @Test func aPutOfALastWriterWinsValueIsAcknowledged() throws {
    var harness = DoorHarness()
    var held = KeyTuple(key: Key("a"))
    held.version = Version(generation: 0, stamp: 99)
    #expect(
      harness.answers(Sent.put, storeSays: held) == [
        bytes("080212050a016110011a0b3132372e302e302e313a33")
      ])
  }

  @Test func aPutAsksTheStoreForAForeignValue() throws {
    var harness = DoorHarness()
    let question = try #require(harness.questions(Sent.put).first)
    #expect(question.type == .put)
    #expect(question.tuples.map(\.key) == [Key("a")])
    let record = try Record(question.tuples[0].record)
    #expect(record == Record.foreign(stamp: 17, payload: Bytes(text: "hi")))
  }

  @Test func aGetIsAnsweredWithTheStampThatTheClientGave() {
    var harness = DoorHarness()
    var record = Record.foreign(stamp: 17, payload: Bytes(text: "hi"))
    record.stamp = 1 << 50
    #expect(
      harness.answers(Sent.get, storeSays: DoorHarness.found("a", record))
        == [bytes("0801120d0a0161100122060811120268691a0b3132372e302e302e313a34")])
  }

  @Test func anAbsentKeyIsAnsweredWithoutAType() {
    var harness = DoorHarness()
    var request = AnnaKeyRequest()
    request.type = 1
    request.tuples = [AnnaKeyTuple(key: "nokey")]
    request.responseAddress = Bytes(text: "tcp://127.0.0.1:6480")
    request.requestID = Bytes(text: "127.0.0.1:1")
    #expect(
      harness.answers(request.encoded(), storeSays: DoorHarness.failed("nokey", .keyNotFound))
        == [bytes("080112090a056e6f6b657918011a0b3132372e302e302e313a31")])
  }

  @Test func aTypeConflictIsAnsweredWithAnError() {
    var harness = DoorHarness()
    var request = AnnaKeyRequest()
    request.type = 2
    request.tuples = [AnnaKeyTuple(key: "s", latticeType: 2, payload: [0x0a, 0x01, 0x78])]
    request.responseAddress = Bytes(text: "tcp://127.0.0.1:6480")
    request.requestID = Bytes(text: "127.0.0.1:7")
    #expect(
      harness.answers(request.encoded(), storeSays: DoorHarness.failed("s", .lattice))
        == [bytes("080212050a017318041a0b3132372e302e302e313a37")])
  }

  @Test func aClientWithAnotherListOfEndpointsIsToldToDropIt() {
    var harness = DoorHarness()
    var request = AnnaKeyRequest()
    request.type = 1
    request.tuples = [AnnaKeyTuple(key: "a")]
    request.tuples[0].addressCacheSize = 2
    request.responseAddress = Bytes(text: "tcp://127.0.0.1:6480")
    request.requestID = Bytes(text: "127.0.0.1:24")
    var record = Record.foreign(stamp: 17, payload: Bytes(text: "hi"))
    record.stamp = 1 << 50
    #expect(
      harness.answers(request.encoded(), storeSays: DoorHarness.found("a", record))
        == [bytes("0801120f0a01611001220608111202686930011a0c3132372e302e302e313a3234")])
  }

  @Test func payloadsOfTheOtherTypesPassAsTheyAre() throws {
    for (frame, type, payload) in [
      (Sent.putSet, LatticeType.set, "0a0178"),
      (Sent.putOrderedSet, .orderedSet, "0a01610a0162"),
      (Sent.putPriority, .priority, "090000000000000040120171"),
    ] {
      var harness = DoorHarness()
      let question = try #require(harness.questions(frame).first)
      let record = try Record(question.tuples[0].record)
      #expect(record.lattice == type)
      #expect(record.payload == bytes(payload))
    }
  }

  @Test func theOtherClientsRequestsAreRead() throws {
    var harness = DoorHarness()
    #expect(harness.step(.addressRequest(Sent.otherAddress)).dialled == ["tcp://127.0.0.1:6853"])
    #expect(harness.questions(Sent.otherGet).map(\.tuples) == [[KeyTuple(key: Key("ck"))]])
  }

  @Test func everyGoldenRequestEncodesToItsOwnBytes() throws {
    for frame in [
      Sent.put, Sent.get, Sent.putSet, Sent.putOrderedSet, Sent.putPriority, Sent.otherGet,
    ] {
      #expect(try AnnaKeyRequest.decode(frame).encoded() == frame)
    }
    for frame in [Sent.address, Sent.otherAddress] {
      #expect(try AnnaAddressRequest.decode(frame).encoded() == frame)
    }
  }
}

extension AnnaKeyTuple {
  init(key: String, latticeType: UInt32 = 0, payload: Bytes = []) {
    self.init()
    self.key = Bytes(text: key)
    self.latticeType = latticeType
    self.payload = payload
  }
}
