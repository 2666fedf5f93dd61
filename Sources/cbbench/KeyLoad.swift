import CFloor
import ClusterModel
import Platform
import WireProtocol

/// Frames for a store's shard, encoded once: the client that sends them is the floor's, in C.
struct KeyLoad {
  let type: KeyRequestType
  let keysPerRequest: Int
  private let hello: [UInt8]
  private let bytes: [UInt8]
  /// Of the frames, in `bytes`.
  private let sizes: [Int]

  /// - Parameters:
  ///   - keys: distinct ones; a multiple of `keysPerRequest`.
  ///   - level: of writes; nil is the store's default.
  init(
    _ type: KeyRequestType, keys: Int = 16_000, keyBytes: Int = 16, valueBytes: Int = 256,
    keysPerRequest: Int = 1, level: WriteLevel? = .accepted, from first: Int = 0
  ) {
    self.init(
      type, numbers: Array(first..<first + keys), keyBytes: keyBytes, valueBytes: valueBytes,
      keysPerRequest: keysPerRequest, level: level)
  }

  /// - Parameter numbers: of the keys, in the order in which they are asked for; a multiple of
  ///   `keysPerRequest`.
  init(
    _ type: KeyRequestType, numbers: [Int], keyBytes: Int = 16, valueBytes: Int = 256,
    keysPerRequest: Int = 1, level: WriteLevel? = .accepted
  ) {
    precondition(numbers.count % keysPerRequest == 0, "every request is full")
    var bytes: [UInt8] = []
    var sizes: [Int] = []
    for start in stride(from: 0, to: numbers.count, by: keysPerRequest) {
      var request = KeyRequest()
      request.type = type
      request.level = type == .get ? nil : level
      request.tuples = numbers[start..<start + keysPerRequest].map {
        var tuple = KeyTuple(key: Self.key($0, byteCount: keyBytes))
        if type == .put {
          let value = [UInt8](repeating: 7, count: valueBytes)
          tuple.record =
            Record(lattice: .lastWriterWins, flags: .blind, payload: value[...]).encoded()
        }
        return tuple
      }
      let frame = request.framed(.keyRequest, number: UInt64(start + 1))
      bytes += frame
      sizes.append(frame.count)
    }
    self.type = type
    self.keysPerRequest = keysPerRequest
    self.bytes = bytes
    self.sizes = sizes
    var hello = Hello()
    hello.role = .client
    hello.name = "cbbench"
    self.hello = hello.framed(.hello)
  }

  static func key(_ number: Int, byteCount: Int) -> Key {
    let digits = String(number)
    return Key(String(repeating: "k", count: max(0, byteCount - digits.utf8.count)) + digits)
  }

  /// How requests are sent: so many in flight over so many connections.
  struct Depth {
    var window = 1
    var connections = 1
  }

  /// Latencies of requests one by one.
  func latencies(_ count: Int, at target: Target) throws -> Latencies {
    var nanoseconds = [UInt64](repeating: 0, count: count)
    _ = try send(count, Depth(), to: target, &nanoseconds)
    return Latencies(nanoseconds)
  }

  /// Requests per second.
  func throughput(_ count: Int, _ depth: Depth, at target: Target) throws -> Double {
    var none: [UInt64] = []
    return Double(count) * 1e9 / Double(try send(count, depth, to: target, &none))
  }

  /// Latencies from when each request was due, at a steady rate.
  func paced(_ rate: Double, seconds: Double, at target: Target) throws -> Latencies {
    let count = Int(rate * seconds)
    var nanoseconds = [UInt64](repeating: 0, count: count)
    let error = withFrames(for: target) {
      floor_paced(target.endpoint, $0, rate, count, &nanoseconds, 10_000)
    }
    try Self.check(error, "\(Int(rate)) \(type) a second at \(target.endpoint)")
    return Latencies(nanoseconds)
  }

  /// The answer to the first request, whatever it is.
  func ask(_ target: Target) throws -> KeyResponse {
    // A shard of several tells a newcomer the ring, too, and the floor's client counts that.
    for count in 1...3 {
      let frame = try Frame(try last(of: count, at: target))
      if frame.header.kind == .keyResponse { return try KeyResponse.decode(frame.body) }
    }
    throw Failure(.internalError, "\(target.endpoint) answers no \(type)")
  }

  private func last(of count: Int, at target: Target) throws -> Bytes {
    var (elapsed, size): (UInt64, Int) = (0, 0)
    var room = [UInt8](repeating: 0, count: 1 << 20)
    let error = withFrames(for: target) { frames in
      room.withUnsafeMutableBytes { room in
        var answer = floor_answer(bytes: room.baseAddress, capacity: room.count, size: 0)
        defer { size = answer.size }
        return floor_load(
          target.endpoint, frames, count, 1, count, nil, &elapsed, &answer, 10_000)
      }
    }
    try Self.check(error, "a \(type) at \(target.endpoint)")
    return room[..<size]
  }

  struct Target {
    let endpoint: String
    /// Greets, and answers key requests; else a plain echo.
    let isStore: Bool
  }

  private func send(
    _ count: Int, _ depth: Depth, to target: Target, _ nanoseconds: inout [UInt64]
  ) throws -> UInt64 {
    var elapsed: UInt64 = 0
    var room = [UInt8](repeating: 0, count: 1 << 20)
    var answerSize = 0
    let error = withFrames(for: target) { frames in
      room.withUnsafeMutableBytes { room in
        nanoseconds.withUnsafeMutableBufferPointer { times in
          var answer = floor_answer(bytes: room.baseAddress, capacity: room.count, size: 0)
          defer { answerSize = answer.size }
          return floor_load(
            target.endpoint, frames, depth.window, depth.connections, count,
            times.isEmpty ? nil : times.baseAddress, &elapsed, &answer, 10_000)
        }
      }
    }
    try Self.check(error, "\(depth.window) \(type) in flight at \(target.endpoint)")
    if target.isStore { try check(answer: room[..<answerSize]) }
    return elapsed
  }

  /// What is fast because it fails is no figure.
  private func check(answer: Bytes) throws {
    let frame = try Frame(answer)
    let response = try KeyResponse.decode(frame.body)
    let isComplete =
      frame.header.kind == .keyResponse && response.failure == nil
      && response.tuples.count == keysPerRequest
      && response.tuples.allSatisfy {
        $0.failure == nil && (type != .get || !$0.record.isEmpty)
      }
    guard isComplete else {
      throw Failure(.internalError, "the store failed a \(type): \(response)")
    }
  }

  private func withFrames<Result>(
    for target: Target, _ body: (UnsafePointer<floor_frames>) -> Result
  ) -> Result {
    hello.withUnsafeBytes { hello in
      bytes.withUnsafeBytes { bytes in
        sizes.withUnsafeBufferPointer { sizes in
          var frames = floor_frames()
          frames.hello = target.isStore ? hello.baseAddress : nil
          frames.hello_size = hello.count
          frames.bytes = bytes.baseAddress
          frames.sizes = sizes.baseAddress
          frames.count = sizes.count
          return body(&frames)
        }
      }
    }
  }

  private static func check(_ error: Int32, _ load: String) throws {
    guard error != 0 else { return }
    throw Failure(
      .unavailable, "\(load): \(String(cString: floor_error())) failed, errno \(error)")
  }
}
