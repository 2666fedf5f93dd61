import ClusterModel
import Testing
import WireProtocol

struct FrameTests {
  private static let frame: Bytes = [1, 32, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0xaa]

  @Test func aFrameIsItsHeaderAndTheRest() throws {
    let frame = try Frame(Self.frame)
    #expect(frame.header == FrameHeader(kind: .call, number: 7))
    #expect(frame.body == [0xaa])
  }

  @Test func aFrameCutFromTheMiddleOfABufferReadsTheSame() throws {
    let buffer = [9, 9, 9] + Self.frame
    #expect(try Frame(buffer[3...]) == Frame(Self.frame))
  }

  @Test func anotherProtocolVersionIsNamedInTheError() {
    var bytes = Self.frame
    bytes[0] = 2
    #expect(throws: WireError.badFormatVersion(2)) { try Frame(bytes) }
  }

  @Test(arguments: [0, 15, 66, 255] as [UInt8])
  func anUnknownKindIsRefused(_ kind: UInt8) {
    var bytes = Self.frame
    bytes[1] = kind
    #expect(throws: WireError.badTag) { try Frame(bytes) }
  }

  @Test(arguments: 0..<FrameHeader.byteCount)
  func aShortFrameIsTruncated(_ count: Int) {
    #expect(throws: WireError.truncated) { try Frame(Self.frame.prefix(count)) }
  }

  @Test func framedMessagesReadBack() throws {
    var cancel = CancelCall()
    cancel.invocation = InvocationID(high: 1, low: 2)
    let frame = try Frame(cancel.framed(.cancel, number: .max, flags: 0xbeef)[...])
    #expect(frame.header == FrameHeader(kind: .cancel, flags: 0xbeef, number: .max))
    #expect(try CancelCall.decode(frame.body) == cancel)
  }
}

struct ReaderLimitTests {
  /// Two bytes on the wire, hundreds in memory: the limit is what keeps a frame from costing
  /// gigabytes.
  @Test func moreElementsThanTheLimitAreRefused() throws {
    let empty: [UInt8] = [0x12, 0x00]
    let most = Array(repeating: empty, count: Limits.messageElementsMax).flatMap { $0 }
    #expect(try KeyRequest.decode(most[...]).tuples.count == Limits.messageElementsMax)
    #expect(throws: WireError.tooManyElements(field: 2)) {
      try KeyRequest.decode((most + empty)[...])
    }
  }

  @Test func nestedElementsCountTowardsTheSameLimit() {
    let input: [UInt8] = [0x2a, 0x04, 0x12, 0x00, 0x12, 0x00]
    let bytes = Array(repeating: input, count: Limits.messageElementsMax / 2).flatMap { $0 }
    #expect(throws: WireError.tooManyElements(field: 2)) { try Call.decode(bytes[...]) }
  }

  @Test func packedNumbersCountTowardsTheLimit() {
    let count = Limits.messageElementsMax + 1
    var writer = ProtobufWriter()
    writer.element(4, Bytes(repeating: 0, count: count))
    #expect(throws: WireError.tooManyElements(field: 4)) { try Stage.decode(writer.bytes[...]) }
  }

  @Test func aNestedMessageMayNotReachBeyondItsEnd() {
    // A tuple of two bytes, whose key claims the three that follow.
    #expect(throws: WireError.truncated) {
      try KeyRequest.decode([0x12, 0x02, 0x0a, 0x03, 0x61, 0x62, 0x63])
    }
  }

  @Test func aLevelThatThisBuildDoesNotKnowIsRefusedNotWeakened() {
    for number: UInt8 in [5, 0x7f] {
      #expect(throws: WireError.badValue(field: 100)) {
        try KeyRequest.decode([0xa0, 0x06, number])
      }
    }
    // 257: its lower eight bits would be `accepted`.
    #expect(throws: WireError.badValue(field: 100)) {
      try KeyRequest.decode([0xa0, 0x06, 0x81, 0x02])
    }
  }

  @Test func textThatIsNotUTF8IsRefused() {
    #expect(throws: WireError.badValue(field: 2)) { try Call.decode([0x12, 0x01, 0xff]) }
  }

  @Test func aVarintBeyond64BitsIsRefused() {
    let nines = Bytes(repeating: 0xff, count: 9)
    #expect(throws: WireError.badTag) { try KeyRequest.decode([0xa0, 0x06] + nines + [0x02]) }
    #expect(throws: WireError.badTag) { try KeyRequest.decode([0xa0, 0x06] + nines + [0xff]) }
  }
}
