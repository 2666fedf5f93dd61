import ClusterModel
import WireProtocol

/// What a broken or hostile peer could send, drawn from a seed.
enum Garbage {
  /// Bytes that break ZMTP somewhere, from the first one to the middle of a message.
  static func belowMessages(using random: inout SplitMix64) -> [UInt8] {
    let hands = ZMTP.greeting + ZMTP.ready
    switch random.below(8) {
    case 0: return random.bytes(1 + random.below(4096))
    case 1: return Array(hands.prefix(random.below(hands.count)))
    case 2: return mangled(hands, using: &random)
    case 3: return ZMTP.greeting + random.bytes(random.below(512))
    case 4: return hands + random.bytes(random.below(2048))
    case 5:
      // A length that nobody could hold, and nothing behind it.
      return hands + [2] + random.bytes(8) + random.bytes(100)
    case 6:
      // A message of parts whose last part never comes.
      return (0..<random.below(2000)).reduce(into: hands) { bytes, _ in
        bytes += ZMTP.frame(random.bytes(random.below(16)), flags: 1)
      }
    default:
      let frame = ZMTP.frame(anyFrame(using: &random))
      return hands + frame.prefix(random.below(frame.count))
    }
  }

  /// A whole ZMTP message of bytes that make no sense, or none here, or not quite.
  static func message(using random: inout SplitMix64) -> [UInt8] {
    switch random.below(10) {
    case 0: return ZMTP.frame(random.bytes(random.below(64)))
    case 1: return ZMTP.frame([])
    case 2:
      return ZMTP.frame(random.bytes(4), flags: 1) + ZMTP.frame([], flags: 1)
        + ZMTP.frame(anyFrame(using: &random))
    default: return ZMTP.frame(anyFrame(using: &random))
    }
  }

  /// A life that nobody knows, in any role.
  static func hello(_ role: PeerRole, using random: inout SplitMix64) -> Hello {
    var hello = Hello()
    hello.role = role
    hello.incarnation = Incarnation(random.next())
    hello.name = ["", "ghost", "ghost/1#abc", "…", "a/b/c#"][random.below(5)]
    hello.clock = random.next()
    return hello
  }

  /// A frame of any kind, whose body is random, mangled, cut short, or another kind's.
  private static func anyFrame(using random: inout SplitMix64) -> [UInt8] {
    let kinds = FrameKind.allCases.filter { $0 != .hello }
    let kind = kinds[random.below(kinds.count)]
    var writer = ProtobufWriter()
    FrameHeader(kind: kind, flags: UInt16(random.below(4)), number: random.next() >> 32)
      .write(to: &writer)
    writer.raw(body(using: &random))
    return writer.bytes
  }

  private static func body(using random: inout SplitMix64) -> [UInt8] {
    let samples = Requests.samples
    let sample = Array(samples[random.below(samples.count)])
    // 0x52 is the tag of a shutdown in a control request: a valid one is no garbage.
    let bytes: [UInt8]
    switch random.below(5) {
    case 0: bytes = random.bytes(random.below(300))
    case 1: bytes = Array(sample.prefix(random.below(sample.count + 1)))
    case 2: bytes = sample
    default: bytes = mangled(sample, using: &random)
    }
    return bytes.map { $0 == 0x52 ? 0x53 : $0 }
  }

  private static func mangled(_ bytes: [UInt8], using random: inout SplitMix64) -> [UInt8] {
    var bytes = bytes
    guard !bytes.isEmpty else { return bytes }
    for _ in 0...random.below(4) {
      bytes[random.below(bytes.count)] = UInt8(truncatingIfNeeded: random.next())
    }
    return bytes
  }
}

/// Requests as a client would make them.
enum Requests {
  static func call(
    _ function: String, _ arguments: [Int] = [], limit: Duration = .seconds(5)
  ) -> Call {
    var random = SystemRandomNumberGenerator()
    var header = CallHeader(invocation: .drawn(using: &random))
    header.remaining = limit
    var call = Call()
    call.header = header.encoded()
    call.function = function
    call.arguments = arguments.map { Argument(encoding: 1, value: Bytes("\($0)".utf8)) }
    return call
  }

  static func get(_ key: String) -> KeyRequest {
    var request = KeyRequest()
    request.tuples = [KeyTuple(key: Key(trusted: Bytes(key.utf8)))]
    return request
  }

  static func add(_ delta: Int64, to key: String) -> KeyRequest {
    var request = get(key)
    request.type = .put
    request.tuples[0].counterDelta = delta
    return request
  }

  static func watch(_ key: String) -> WatchRequest {
    var request = WatchRequest()
    request.key = Key(trusted: Bytes(key.utf8))
    return request
  }

  /// Bodies of many kinds, valid where they belong.
  static let samples: [Bytes] = {
    var list = get("ghost-")
    list.type = .list
    var put = get("ghost-key")
    put.type = .put
    put.tuples[0].counterDelta = 3
    var result = CallResult()
    result.invocation = InvocationID(high: 1, low: 2)
    result.value = [1, 2, 3]
    var bundle = BundleRequest()
    bundle.digest = Bytes(repeating: 7, count: 32)
    var lines = LogLines()
    lines.lines = [LogLines.Line()]
    var fetch = CacheFetch()
    fetch.key = Key(trusted: Bytes("ghost-key".utf8))
    var loss = ExecutorLost()
    loss.executor = "ghost/1#abc"
    var kill = KillExecutor()
    kill.executor = "ghost/1#abc"
    return [
      call("square", [3]).encoded(), call("nobody").encoded(), get("ghost-key").encoded(),
      list.encoded(), put.encoded(), watch("ghost-key").encoded(), result.encoded(),
      bundle.encoded(), lines.encoded(), fetch.encoded(), loss.encoded(), kill.encoded(),
      CancelCall().encoded(), CacheWrites().encoded(), Released().encoded(), Welcome().encoded(),
      Dispatch().encoded(), BundleRecord().encoded(), Empty().encoded(),
    ]
  }()
}
