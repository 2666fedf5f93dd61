import CloudburstClient
import ClusterModel
import Foundation
import Testing
import WireProtocol

/// Bad requests at the store's own port get their code, and cost nobody else anything; so do strangers at
/// the ports of the Anna door.
@Suite(.serialized, .timeLimit(.minutes(5))) struct BadInputTests {
  @Test func badKeysTypesAndRecordsGetTheirCodeKeyByKey() async throws {
    let victim = try await Victim.start()
    let peer = try RawPeer(victim.storage())
    _ = try peer.greet(as: Hello())
    var unknownType = Record(lattice: .lastWriterWins, payload: [1]).encoded()
    unknownType[unknownType.startIndex + 1] = 99
    let cases: [(Bytes, Bytes, ErrorCode?)] = [
      (Bytes(text: "fine"), Record(lattice: .lastWriterWins, payload: [1]).encoded(), nil),
      ([], Record(lattice: .lastWriterWins, payload: [1]).encoded(), .keyInvalid),
      ([0xff, 0xfe], Record(lattice: .lastWriterWins, payload: [1]).encoded(), .keyInvalid),
      (
        Bytes(repeating: 0x6b, count: 1025),
        Record(lattice: .lastWriterWins, payload: []).encoded(), .keyInvalid
      ),
      (
        Bytes(text: "_cb/x"), Record(lattice: .lastWriterWins, payload: [1]).encoded(), .keyReserved
      ),
      (Bytes(text: "t"), unknownType, .badRequest),
      (Bytes(text: "s"), Record(lattice: .set, payload: [0x0a, 0xff]).encoded(), .badRequest),
      (Bytes(text: "r"), [1, 2, 3], .badRequest),
    ]
    var request = KeyRequest()
    request.type = .put
    request.level = .accepted
    request.tuples = cases.map { key, record, _ in
      var tuple = KeyTuple(key: Key(trusted: key))
      tuple.record = record
      return tuple
    }
    peer.send(ZMTP.frame(request.framed(.keyRequest, number: 7)))
    let frame = try Frame(try #require(peer.nextMessage())[...])
    #expect(frame.header.number == 7)
    let response = try KeyResponse.decode(frame.body)
    #expect(response.tuples.map { $0.failure?.code } == cases.map(\.2))
    try await victim.check("bad keys, types and records")
  }

  @Test func anUnknownRequestTypeAndTooManyKeysAreRefusedWhole() async throws {
    let victim = try await Victim.start()
    let peer = try RawPeer(victim.storage())
    _ = try peer.greet(as: Hello())
    var writer = ProtobufWriter()
    writer.field(1, 99 as UInt64)
    var frame = ProtobufWriter()
    FrameHeader(kind: .keyRequest, number: 1).write(to: &frame)
    frame.raw(writer.bytes)
    peer.send(ZMTP.frame(frame.bytes))
    #expect(try peer.nextRefusal().code == .badRequest)
    var request = KeyRequest()
    request.tuples = (0..<1025).map { KeyTuple(key: Key("k\($0)")) }
    peer.send(ZMTP.frame(request.framed(.keyRequest, number: 2)))
    let answer = try Frame(try #require(peer.nextMessage())[...])
    #expect(try KeyResponse.decode(answer.body).failure?.code == .badRequest)
    try await victim.check("unknown request types")
  }

  @Test func strangersAtTheAnnaPortsCostNobodyElseAnything() throws {
    let seed = SplitMix64.drawSeed()
    var random = SplitMix64(seed: seed)
    let cluster = try AnnaCluster()
    try cluster.client("put", "k", "1", "v")
    let process = try cluster.dev.processID()
    let (descriptors, megabytes) = (try openDescriptors(of: process), try resident(process))
    let ports = (0..<4).map { cluster.port + $0 } + [cluster.port - 250]
    for number in 0..<10_000 {
      let peer = try RawPeer("tcp://127.0.0.1:\(ports[number % ports.count])")
      switch number % 7 {
      case 1: peer.send(ZMTP.greeting.prefix(number % 64))
      case 2: peer.send(Garbage.belowMessages(using: &random))
      case 3: peer.abort()
      case 4: peer.send(ZMTP.greeting + ZMTP.ready(as: "PUSH"))
      case 5:
        peer.send(ZMTP.greeting + ZMTP.ready(as: "PUSH"))
        for _ in 0..<8 { peer.send(ZMTP.frame(random.bytes(random.below(300)))) }
      default: continue
      }
    }
    #expect(try cluster.client("get", "k") == "1 v")
    let grown = try resident(process) - megabytes
    let left = try openDescriptors(of: process) - descriptors
    print("10 000 strangers, seed \(seed): \(grown) MB more, \(left) descriptors more")
    #expect(grown < 64, "seed \(seed)")
    #expect(left < 64, "seed \(seed)")
  }

  private func resident(_ process: Int32) throws -> Int {
    let text = try String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)
    let line = text.split(separator: "\n").first { $0.hasPrefix("VmRSS:") } ?? ""
    return (line.split(separator: " ").compactMap { Int($0) }.first ?? 0) / 1024
  }

  private func openDescriptors(of process: Int32) throws -> Int {
    try FileManager.default.contentsOfDirectory(atPath: "/proc/\(process)/fd").count
  }
}
