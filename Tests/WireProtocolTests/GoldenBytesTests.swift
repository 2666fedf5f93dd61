import ClusterModel
import Testing
import WireProtocol

/// The formats, byte by byte. A change here is a new format version, not an update of the test.
struct GoldenBytesTests {
  @Test func recordEnvelope() throws {
    var record = Record(
      lattice: .lastWriterWins, encoding: 2, flags: .blind,
      version: Version(generation: 3, stamp: 0x0102_0304_0506_0708), payload: [0xca, 0xfe])
    record.writeSequence = 9
    record.expiry = 0x1_0000
    record.metadata = [0xee]
    let golden = """
      01 01 0400 02 000000 0300000000000000 0807060504030201 0900000000000000 0000010000000000
      01000000 00000000 ee cafe
      """
    #expect(hex(record.encoded()) == compact(golden))
    #expect(try Record(record.encoded()) == record)
  }

  @Test func tombstone() throws {
    let record = Record(
      lattice: .none, flags: .tombstone, version: Version(generation: 2, stamp: 1), payload: [])
    let golden = """
      01 00 0100 00 000000 0200000000000000 0100000000000000 0000000000000000 0000000000000000
      00000000 00000000
      """
    #expect(hex(record.encoded()) == compact(golden))
  }

  @Test func callHeader() throws {
    let header = Self.header
    let golden = """
      01 02 03 05 0100 0200 0300000000000000 1716151413121110 1f1e1d1c1b1a1918
      0400000000000000 0500000000000000 40420f0000000000 0600000000000000
      0200 0108 03000000 6b31 0a0b0c
      """
    #expect(hex(header.encoded()) == compact(golden))
    #expect(try CallHeader(header.encoded()) == header)
    #expect(header.remaining == .seconds(1))
  }

  @Test func frameHeader() {
    let frame = Empty().framed(.watchEvent, number: 0x0102_0304_0506_0708, flags: 0x0a0b)
    #expect(hex(frame[...]) == compact("01 13 0b0a 00000000 0807060504030201"))
  }

  @Test func keyRequest() throws {
    var tuple = KeyTuple(key: Key("n"))
    tuple.record = [0xab]
    tuple.counterDelta = -2
    tuple.version = Version(generation: 1, stamp: 2)
    var request = KeyRequest()
    request.type = .put
    request.tuples = [tuple]
    request.level = .durable
    request.subscribe = true
    request.clock = 5
    request.pageSize = 200
    let golden = """
      0802 12 17 0a016e a20601ab a80603 b80601 c1060200000000000000
      a00603 a80601 b1060500000000000000 c006c801
      """
    #expect(hex(request.encoded()) == compact(golden))
    #expect(try KeyRequest.decode(request.encoded()) == request)
  }

  @Test func keyResponse() throws {
    var absent = KeyTuple(key: Key("n"))
    absent.failure = Failure(.keyNotFound, "no n")
    var response = KeyResponse()
    response.tuples = [absent]
    response.clock = 1
    response.cursor = 2
    let golden = """
      0801 12 0f 0a016e b206 09 08ae02 12046e6f206e
      a9060100000000000000 b1060200000000000000
      """
    #expect(hex(response.encoded()) == compact(golden))
    #expect(try KeyResponse.decode(response.encoded()) == response)
  }

  @Test func call() throws {
    var call = Call()
    call.header = [0x01]
    call.function = "square"
    call.arguments = [
      Argument(encoding: 1, value: Bytes(text: "3")), Argument(reference: Key("n")),
    ]
    call.accepts = 6
    call.submit = true
    let golden = "0a0101 1206737175617265 1a05 0801 120133 1a03 1a016e 3006 3801"
    #expect(hex(call.encoded()) == compact(golden))
    #expect(try Call.decode(call.encoded()) == call)
  }

  @Test func dispatch() throws {
    var first = Stage()
    first.function = "f"
    first.bundle = [0xb0]
    first.arguments = [Argument(encoding: 2, value: [7])]
    var second = Stage()
    second.function = "g"
    second.upstream = [0, 300]
    var dispatch = Dispatch()
    dispatch.header = [0x01]
    dispatch.stages = [first, second]
    dispatch.accepts = 4
    let golden = "0a0101 120d 0a0166 1201b0 1a05 0802 120107 1208 0a0167 220300ac02 1804"
    #expect(hex(dispatch.encoded()) == compact(golden))
    #expect(try Dispatch.decode(dispatch.encoded()) == dispatch)
  }

  @Test func callResult() throws {
    var result = CallResult()
    result.invocation = InvocationID(high: 1, low: 2)
    result.attempt = 1
    result.encoding = 1
    result.value = Bytes(text: "9")
    result.awaitsRelease = true
    result.runNanoseconds = 1000
    let golden = "0a10 00000000000000010000000000000002 1001 1801 220139 3001 38e807"
    #expect(hex(result.encoded()) == compact(golden))
    #expect(try CallResult.decode(result.encoded()) == result)
  }

  private static var header: CallHeader {
    var header = CallHeader(
      invocation: InvocationID(high: 0x1011_1213_1415_1617, low: 0x1819_1a1b_1c1d_1e1f))
    header.consistency = .repeatableRead
    header.writeLevel = .durable
    header.attemptsMax = 5
    header.memoryMebibytes = 0x0801
    header.callerTry = 1
    header.attempt = 2
    header.scheduler = Incarnation(3)
    header.traceHigh = 4
    header.traceLow = 5
    header.remaining = .seconds(1)
    header.registryVersion = 6
    header.idempotencyKey = Bytes(text: "k1")
    header.session = [0x0a, 0x0b, 0x0c]
    return header
  }
}

private func hex(_ bytes: Bytes) -> String {
  bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
}

private func compact(_ golden: String) -> String { golden.filter { !$0.isWhitespace } }
