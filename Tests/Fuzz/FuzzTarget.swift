import AnnaDoor
import CloudburstValues
import ClusterModel
import Lattices
import WireProtocol

/// libFuzzer's entry: the first byte names a decoder, the rest is what it reads. Built and run by
/// `tools/fuzz`; a trap, a memory error, a leak or a broken round trip ends the run.
@c(LLVMFuzzerTestOneInput)
public func fuzzOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let input = Array(UnsafeBufferPointer(start: start, count: count))
  guard let first = input.first, let decoder = Decoder(rawValue: first) else { return -1 }
  decoder.run(input[1...])
  return 0
}

/// The numbers are in the corpus's files.
enum Decoder: UInt8 {
  case frame, record, callHeader, set, counter, native, json, sharedObject, registry, session
  case lattice
  case annaKeys, annaAddresses, annaDoor

  func run(_ bytes: Bytes) {
    switch self {
    case .frame: (try? Frame(bytes)).map { readBody(of: $0) }
    case .record: readRecord(bytes)
    case .callHeader: readCallHeader(bytes)
    case .set: readSet(bytes)
    case .counter: readCounter(bytes)
    case .native: readNative(Array(bytes))
    case .json: readJSON(Array(bytes))
    case .sharedObject: readSharedObject(Array(bytes))
    case .registry:
      read(FunctionRecord.self, bytes)
      read(BundleRecord.self, bytes)
      read(DAGRecord.self, bytes)
    case .session: read(SessionToken.self, bytes)
    case .lattice: readLattice(bytes)
    case .annaKeys:
      read(AnnaKeyRequest.self, bytes)
      read(AnnaKeyResponse.self, bytes)
      read(AnnaLWWValue.self, bytes)
    case .annaAddresses:
      read(AnnaAddressRequest.self, bytes)
      read(AnnaAddressResponse.self, bytes)
      _ = AnswerAddress(bytes)
    case .annaDoor: passThroughDoor(bytes)
    }
  }
}

/// What the short way reads is what the long one does.
private func readPlainly(_ bytes: Bytes) {
  var plain = PlainKeyRequest()
  bytes.withUnsafeBytes { body in
    guard plain.read(body, tuplesMax: 16) else { return }
    guard let request = try? KeyRequest.decode(bytes) else {
      preconditionFailure("the short way takes what is malformed")
    }
    precondition(request.type == plain.type && request.level == plain.level)
    precondition(request.tuples.count == plain.tuples.count)
    for (tuple, short) in zip(request.tuples, plain.tuples) {
      precondition(tuple.key.bytes.elementsEqual(short.key(in: body)))
      precondition(tuple.record.elementsEqual(short.record(in: body)))
    }
  }
}

/// Whatever is asked is asked or answered once, and what the door asks for the store can read.
private func passThroughDoor(_ bytes: Bytes) {
  var door = AnnaDoor(endpoints: ["tcp://127.0.0.1:6200"])
  var effects: [AnnaDoor.Effect] = []
  door.step(.storeReady, at: 0, into: &effects)
  door.step(.keyRequest(bytes), at: 1, into: &effects)
  var outcomes = 0
  for effect in effects {
    switch effect {
    case .ask(let request, _):
      outcomes += 1
      for tuple in request.tuples where request.type == .put {
        precondition((try? Record(tuple.record)) != nil, "the store reads what it is asked")
      }
    case .answer: outcomes += 1
    case .dial, .hangUp: continue
    }
  }
  precondition(outcomes <= 1, "one request, one outcome")
}

/// Whatever decodes, encodes and decodes to itself: otherwise a relay would change what it passes on.
private func read<Message: WireMessage>(_: Message.Type, _ bytes: Bytes) {
  guard let message = try? Message.decode(bytes) else { return }
  precondition((try? Message.decode(message.encoded())) == message, "\(Message.self) round trip")
}

private func readBody(of frame: Frame) {
  let body = frame.body
  switch frame.header.kind {
  case .hello: read(Hello.self, body)
  case .welcome: read(Welcome.self, body)
  case .refusal: read(FailureMessage.self, body)
  case .keyRequest:
    read(KeyRequest.self, body)
    readPlainly(body)
  case .keyResponse, .watchEvent, .push: read(KeyResponse.self, body)
  case .watch: read(WatchRequest.self, body)
  case .call: read(Call.self, body)
  case .result: read(CallResult.self, body)
  case .cancel: read(CancelCall.self, body)
  case .dispatch: read(Dispatch.self, body)
  case .released: read(Released.self, body)
  case .executorLost: read(ExecutorLost.self, body)
  case .killExecutor: read(KillExecutor.self, body)
  case .recall, .recalled: read(Recall.self, body)
  case .probeBundle, .bundleRequest: read(BundleRequest.self, body)
  case .bundleProbed: read(BundleRecord.self, body)
  case .bundleReady: read(BundleReady.self, body)
  case .cacheFetch: read(CacheFetch.self, body)
  case .cacheFetched: read(CacheFetched.self, body)
  case .cacheWrites: read(CacheWrites.self, body)
  case .logLines: read(LogLines.self, body)
  case .heartbeat, .streamAcknowledged, .sayHello, .unwatch, .cacheApplied, .executorBusy:
    read(Empty.self, body)
  case .ring: read(RingMessage.self, body)
  case .memberReport: read(MemberReport.self, body)
  case .lease: read(Lease.self, body)
  case .replicate: read(Replicate.self, body)
  case .replicated: read(Replicated.self, body)
  case .holderRequest: read(KeyRequest.self, body)
  case .rangeDigest: read(RangeDigest.self, body)
  case .replicaWord: read(ReplicaWord.self, body)
  case .hotKeys: read(HotKeyList.self, body)
  case .rangeRepair: read(RangeRepair.self, body)
  case .controlRequest, .controlResponse: break
  }
}

private func readRecord(_ bytes: Bytes) {
  guard let record = try? Record(bytes) else { return }
  precondition((try? Record(record.encoded())) == record, "record round trip")
  guard let canonical = record.canonical else { return }
  precondition(canonical.canonical == canonical, "one canonical form")
  var merged = record
  let outcome = merged.merge(canonical)
  precondition(outcome != .latticeConflict, "a record merges with its own canonical form")
}

private func readCallHeader(_ bytes: Bytes) {
  guard let header = try? CallHeader(bytes) else { return }
  precondition((try? CallHeader(header.encoded())) == header, "call header round trip")
}

private func readSet(_ bytes: Bytes) {
  guard let set = try? GrowSet(serialized: bytes) else { return }
  precondition((try? GrowSet(serialized: set.serialized()[...])) == set, "set round trip")
}

private func readCounter(_ bytes: Bytes) {
  guard let counter = try? Counter(serialized: bytes) else { return }
  precondition(
    (try? Counter(serialized: counter.serialized()[...])) == counter, "counter round trip")
}

/// The first byte is the kind.
private func readLattice(_ bytes: Bytes) {
  guard let kind = bytes.first.flatMap(AnyLattice.Kind.init),
    let value = try? AnyLattice(serialized: bytes.dropFirst(), as: kind)
  else { return }
  let again = try? AnyLattice(serialized: value.serialized()[...], as: kind)
  precondition(again == value, "\(kind) round trip")
  var merged = value
  precondition(merged.merge(value) == false, "\(kind) merges with itself to itself")
}

private func readNative(_ bytes: [UInt8]) {
  let value = EncodedValue(encoding: .native, bytes: bytes)
  _ = try? value.decode(as: [String: [Int]].self)
  _ = try? value.decode(as: [Double].self)
  _ = try? value.decode(as: String.self)
  guard let text = try? NativeToJSON.convert(bytes) else { return }
  precondition((try? JSONToNative.convert(text)) != nil, "printed JSON is JSON")
}

private func readJSON(_ text: [UInt8]) {
  guard let native = try? JSONToNative.convert(text) else { return }
  precondition((try? NativeToJSON.convert(native)) != nil, "converted JSON is a native value")
}

private func readSharedObject(_ bytes: [UInt8]) {
  guard let file = try? ELFFile(bytes, path: "fuzz") else { return }
  _ = try? file.neededLibraries()
  _ = try? file.symbol("cloudburst_bundle")
}
