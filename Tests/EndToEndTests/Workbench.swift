import Foundation
import Synchronization
import Testing

/// What every end-to-end test needs: the built programs, a free port, a folder of its own.
enum Workbench {
  static let repository = URL(filePath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path

  /// The folder of the test bundle: the programs of the same build lie beside it.
  static let programs: String = {
    let bundle = Bundle.allBundles.map(\.bundlePath).first { $0.hasSuffix(".xctest") }
    if let bundle { return URL(filePath: bundle).deletingLastPathComponent().path }
    return URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent().path
  }()

  /// Below the range from which the system gives ports to whoever asks for any (from 32 768 on): it
  /// would give one of ours away between the look and its use.
  private static let lastPort = Mutex<UInt16>(UInt16(20_000 + getpid() % 12_000))

  /// A port that nothing listens on now; each is given once in this process.
  static func freePort() -> UInt16 {
    lastPort.withLock { last in
      repeat { last += 1 } while !isFree(last)
      return last
    }
  }

  static func isFree(_ port: UInt16) -> Bool {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    return withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
      }
    }
  }
}

/// How a program ended and what it said.
struct Outcome: CustomStringConvertible {
  let status: Int32
  let output: String
  let errors: String

  /// Standard output without its last newline.
  var text: String { output.hasSuffix("\n") ? String(output.dropLast()) : output }
  var description: String { "exit \(status)\nstdout: \(output)\nstderr: \(errors)" }
}

/// A temporary folder that goes with the value.
final class Scratch: Sendable {
  let path: String

  init() throws {
    // Short: sockets' paths have at most 107 bytes.
    path = "/tmp/cb-e2e-\(getpid())-\(UInt32.random(in: 0...0xffff))"
    try FileManager.default.createDirectory(
      atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }
}

/// Runs a program to its end.
///
/// - Parameter limit: after it the program is killed, and the test fails by its status.
func run(
  _ program: String, _ arguments: [String], in folder: String? = nil,
  environment: [String: String] = [:], input: Data? = nil, limit: TimeInterval = 120
) throws -> Outcome {
  let scratch = try Scratch()
  let process = Process()
  process.executableURL = URL(filePath: program)
  process.arguments = arguments
  if let folder { process.currentDirectoryURL = URL(filePath: folder) }
  process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
  // Files, not pipes: a program's background children may keep a pipe open.
  let files = ["out", "err"].map { scratch.path + "/" + $0 }
  for file in files { _ = FileManager.default.createFile(atPath: file, contents: nil) }
  process.standardOutput = try FileHandle(forWritingTo: URL(filePath: files[0]))
  process.standardError = try FileHandle(forWritingTo: URL(filePath: files[1]))
  if let input {
    let file = scratch.path + "/in"
    try input.write(to: URL(filePath: file))
    process.standardInput = try FileHandle(forReadingFrom: URL(filePath: file))
  } else {
    process.standardInput = FileHandle.nullDevice
  }
  let ended = DispatchSemaphore(value: 0)
  process.terminationHandler = { _ in ended.signal() }
  try process.run()
  if ended.wait(timeout: .now() + limit) == .timedOut {
    kill(process.processIdentifier, SIGKILL)
    ended.wait()
  }
  let texts = try files.map { try String(contentsOfFile: $0, encoding: .utf8) }
  return Outcome(status: process.terminationStatus, output: texts[0], errors: texts[1])
}
