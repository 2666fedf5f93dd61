import CloudburstClient
import ClusterModel
import Foundation
import Testing
import WireProtocol

/// Peers that send garbage, too much, or nothing, or that do not read: each costs itself its own
/// connection. A good client beside them is served all the while.
@Suite(.serialized, .timeLimit(.minutes(5))) struct HostilePeerTests {
  @Test func garbageOnEveryPortCostsOneConnection() async throws {
    let seed = SplitMix64.drawSeed()
    print("garbage: seed \(seed)")
    var random = SplitMix64(seed: seed)
    let victim = try await Victim.start()
    var left: [RawPeer] = []
    for endpoint in try victim.endpoints() {
      for round in 0..<60 {
        let peer = try RawPeer(endpoint)
        peer.send(Garbage.belowMessages(using: &random))
        // Some stay half-way, some hang up, some are cut.
        if round % 3 == 0 { left.append(peer) }
        if round % 3 == 1 { peer.abort() }
      }
    }
    try await victim.check("garbage, seed \(seed)")
  }

  @Test func messagesOfGarbageAreRefusedOnEveryPort() async throws {
    let seed = SplitMix64.drawSeed()
    print("messages: seed \(seed)")
    var random = SplitMix64(seed: seed)
    let victim = try await Victim.start()
    for endpoint in try victim.endpoints() {
      for role in PeerRole.allCases {
        let peer = try RawPeer(endpoint)
        try peer.shakeHands()
        for _ in 0..<40 { peer.send(Garbage.message(using: &random)) }
        peer.send(ZMTP.frame(Garbage.hello(role, using: &random).framed(.hello)))
        for _ in 0..<160 { peer.send(Garbage.message(using: &random)) }
        // It is still there and answers, if only with a refusal.
        #expect(peer.nextMessage() != nil, "\(role) at \(endpoint), seed \(seed)")
      }
    }
    try await victim.check("messages, seed \(seed)")
  }

  @Test func tenThousandConnectionsLeaveNothingBehind() async throws {
    let victim = try await Victim.start()
    let storage = try victim.storage()
    let descriptors = victim.descriptors
    let megabytes = victim.residentMegabytes
    for number in 0..<10_000 {
      let peer = try RawPeer(number.isMultiple(of: 2) ? victim.dev.endpoint : storage)
      if number % 5 == 1 { peer.send(ZMTP.greeting.prefix(number % 64)) }
      if number % 5 == 2 { peer.send(ZMTP.greeting + ZMTP.ready) }
      if number % 5 == 3 { peer.abort() }
    }
    try await eventually("descriptors come back") { victim.descriptors <= descriptors + 4 }
    #expect(victim.residentMegabytes < megabytes + 32, "from \(megabytes) MB")
    try await victim.check("10 000 connections")
  }

  @Test func aClientThatVanishesMidCallFreesItsExecutor() async throws {
    let victim = try await Victim.start(executors: 2)
    for _ in 0..<3 {
      let peer = try RawPeer(victim.dev.endpoint)
      _ = try peer.greet(as: Hello())
      peer.send(ZMTP.frame(Requests.call("endless", limit: .seconds(1)).framed(.call, number: 1)))
      for number in 2..<500 {
        peer.send(ZMTP.frame(Requests.call("fine").framed(.call, number: UInt64(number))))
      }
      peer.abort()
    }
    try await victim.check("vanishing clients")
  }

  @Test func aClientThatNeverReadsCostsBoundedMemory() async throws {
    let victim = try await Victim.start()
    let cloud = try await CloudburstClient.connect(to: victim.dev.endpoint)
    try await cloud.put("large", [UInt8](repeating: 7, count: 1 << 20))
    let megabytes = victim.residentMegabytes
    var peers: [RawPeer] = []
    let storage = try victim.storage()
    for _ in 0..<4 {
      let peer = try RawPeer(storage)
      _ = try peer.greet(as: Hello())
      let read = ZMTP.frame(Requests.get("large").framed(.keyRequest, number: 1))
      for _ in 0..<2000 { peer.send(read) }
      let end = Requests.add(1, to: "ends")
      peer.send(ZMTP.frame(end.framed(.keyRequest, number: 2)))
      peers.append(peer)
    }
    // A shard takes each client's requests in order.
    try await waits("all requests have been taken") {
      try await cloud.counter("ends").value() == 4
    }
    await cloud.close()
    // Whoever begins to read finds what there was room for, and then why there is no more.
    var answers = 0
    var frame = try Frame(try #require(peers[0].nextMessage())[...])
    while frame.header.kind == .keyResponse {
      answers += 1
      frame = try Frame(try #require(peers[0].nextMessage())[...])
    }
    #expect(frame.header.kind == .refusal)
    #expect(try FailureMessage.decode(frame.body).failure.code == .overloaded)
    print("4 clients asked for 2000 MB each, one got \(answers): \(victim.residentMegabytes) MB")
    #expect(answers <= 300)
    #expect(victim.residentMegabytes < megabytes + 1200)
    peers.removeAll()
    try await eventually("memory comes back") { victim.residentMegabytes < megabytes + 200 }
    try await victim.check("clients that never read")
  }

  @Test func callsForEverWithoutReadingDelayNobodyForLong() async throws {
    let victim = try await Victim.start()
    let megabytes = victim.residentMegabytes
    let peer = try RawPeer(victim.dev.endpoint)
    _ = try peer.greet(as: Hello())
    for number in 0..<60_000 {
      let call = Requests.call("square", [4]).framed(.call, number: UInt64(number))
      guard peer.send(ZMTP.frame(call)) else { break }
    }
    print("60 000 calls by one that never reads: \(victim.residentMegabytes) MB")
    #expect(victim.residentMegabytes < megabytes + 200, "from \(megabytes) MB")
    try await victim.check("calls for ever")
  }

  @Test func aFrameAboveTheLimitEndsItsConnectionOnly() async throws {
    let victim = try await Victim.start()
    for endpoint in [victim.dev.endpoint, try victim.storage()] {
      let peer = try RawPeer(endpoint)
      _ = try peer.greet(as: Hello())
      peer.send(ZMTP.header(of: Limits.frameBytesMax + 1))
      peer.send([UInt8](repeating: 0, count: 1 << 20))
      #expect(peer.isClosed(), "\(endpoint)")
    }
    try await victim.check("a frame above the limit")
  }

  @Test func aFrameOfTheLargestSizeOfGarbageIsRefused() async throws {
    let victim = try await Victim.start()
    let megabytes = victim.residentMegabytes
    do {
      let peer = try RawPeer(victim.dev.endpoint)
      _ = try peer.greet(as: Hello())
      let chunk = [UInt8](repeating: 0xff, count: 1 << 20)
      peer.send(ZMTP.header(of: Limits.frameBytesMax))
      for _ in 0..<(Limits.frameBytesMax >> 20) { #expect(peer.send(chunk)) }
      #expect(try peer.nextRefusal().code == .protocolVersion)
    }
    try await eventually("memory comes back") { victim.residentMegabytes < megabytes + 64 }
    try await victim.check("a frame of 257 MiB")
  }

  @Test func watchesBeyondTheLimitAreRefusedWithACode() async throws {
    let victim = try await Victim.start()
    let peer = try RawPeer(try victim.storage())
    _ = try peer.greet(as: Hello())
    // Cancelling what was never begun does nothing.
    for number in 0..<20_000 {
      peer.send(ZMTP.frame(Empty().framed(.unwatch, number: UInt64(number))))
    }
    let limit = 4096
    for number in 1...(limit + 10) {
      let watch = Requests.watch("watched-\(number)").framed(.watch, number: UInt64(number))
      peer.send(ZMTP.frame(watch))
    }
    var refused = 0
    for _ in 1...(limit + 10) {
      let frame = try Frame(try #require(peer.nextMessage())[...])
      if frame.header.kind == .refusal {
        #expect(try FailureMessage.decode(frame.body).failure.code == .overloaded)
        #expect(frame.header.number > limit)
        refused += 1
      }
    }
    #expect(refused == 10)
    try await victim.check("watches")
  }

  @Test func anotherProtocolVersionIsRefusedByName() async throws {
    let victim = try await Victim.start()
    for endpoint in try victim.endpoints() {
      var hello = Hello()
      hello.protocolVersion = 2
      hello.name = "tomorrow's client"
      let peer = try RawPeer(endpoint)
      try peer.shakeHands()
      peer.send(ZMTP.frame(hello.framed(.hello)))
      #expect(try peer.nextRefusal().code == .protocolVersion)
      var frame = hello.framed(.hello)
      frame[0] = 2
      peer.send(ZMTP.frame(frame))
      let failure = try peer.nextRefusal()
      #expect(failure.code == .protocolVersion)
      #expect(failure.message.contains("version 2"), "\(failure)")
    }
    try await victim.check("another protocol version")
  }

  @Test func aClusterOfAnotherVersionIsNamedByCbctl() throws {
    var frame = Welcome().framed(.welcome)
    frame[0] = 2
    let refusal = Failure(.protocolVersion, "this side speaks protocol version 2")
    for answer in [frame, FailureMessage(refusal).framed(.refusal)] {
      let cluster = try StrangeCluster(answering: answer)
      let outcome = try run(
        Workbench.programs + "/cbctl", ["call", "square", "3", "--endpoint", cluster.endpoint])
      #expect(outcome.status == 5, "\(outcome)")
      #expect(outcome.errors.hasPrefix("error: PROTOCOL_VERSION: "), "\(outcome)")
      #expect(outcome.errors.contains("version 2"), "\(outcome)")
    }
  }

  @Test func ofTwoConnectionsWithOneIncarnationTheLaterCounts() async throws {
    let victim = try await Victim.start()
    var hello = Hello()
    hello.incarnation = Incarnation(4711)
    let first = try RawPeer(victim.dev.endpoint)
    _ = try first.greet(as: hello)
    let second = try RawPeer(victim.dev.endpoint)
    _ = try second.greet(as: hello)
    #expect(try first.nextRefusal().code == .notAllowed)
    first.send(ZMTP.frame(Requests.call("square", [3]).framed(.call, number: 1)))
    let answer = try Frame(try #require(first.nextMessage())[...])
    #expect(answer.header.kind == .sayHello)
    second.send(ZMTP.frame(Requests.call("square", [3]).framed(.call, number: 1)))
    let result = try Frame(try #require(second.nextMessage())[...])
    #expect(result.header.kind == .result)
    #expect(try CallResult.decode(result.body).failure == nil)
    try await victim.check("one incarnation twice")
  }
}

/// Looks again and again until it is so, for at most 20 s.
func eventually(_ what: Comment, _ isSo: () throws -> Bool) async throws {
  let clock = ContinuousClock()
  let deadline = clock.now + .seconds(20)
  while try !isSo() {
    try #require(clock.now < deadline, what)
    try await Task.sleep(for: .milliseconds(20))
  }
}
