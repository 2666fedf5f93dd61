import ClusterModel
import Foundation
import Platform

/// Debian's redis-server, in memory, with redis-benchmark as its client. It ends with the value.
struct Redis: ~Copyable {
  private let server: ChildProcess
  private let port: Int
  private static let serverPath = "/usr/bin/redis-server"
  private static let clientPath = "/usr/bin/redis-benchmark"

  static var isInstalled: Bool {
    [serverPath, clientPath].allSatisfy { FileManager.default.isExecutableFile(atPath: $0) }
  }

  init() throws {
    let port = try Machine.freePort()
    let output = try Platform.Pipe()
    var command = ChildProcess.Command(
      Self.serverPath, ["--port", "\(port)", "--save", "", "--appendonly", "no"])
    command.output = output.rawWriter
    let server = try ChildProcess.lasting(command)
    let reader = output.reader()
    guard Self.read(reader, upTo: "Ready to accept connections").isComplete else {
      throw Failure(.unavailable, "redis-server did not start")
    }
    self.port = port
    self.server = server
  }

  /// Requests per second of 256-byte values, 16 000 keys.
  func throughput(_ test: String, pipeline: Int, connections: Int, count: Int) throws -> Double {
    let output = try Platform.Pipe()
    var command = ChildProcess.Command(
      Self.clientPath,
      [
        "-p", "\(port)", "-t", test, "-c", "\(connections)", "-P", "\(pipeline)", "-n", "\(count)",
        "-d", "256", "-r", "16000", "--csv",
      ])
    command.output = output.rawWriter
    let process = try ChildProcess.lasting(command)
    let reader = output.reader()
    let text = Self.read(reader, upTo: nil).text
    // Its output has ended, and so has it; until here it must not be let go.
    _ = process.id
    // "test","rps",…, then "GET","123456.78",…
    let row = text.split(separator: "\n").first { $0.hasPrefix("\"\(test.uppercased())\"") }
    let fields = row?.split(separator: ",").map { $0.trimmingCharacters(in: ["\""]) } ?? []
    guard fields.count > 1, let rate = Double(fields[1]) else {
      throw Failure(.unavailable, "redis-benchmark said: \(text)")
    }
    return rate
  }

  /// Waits for a text, or for the end of a program's output.
  private static func read(
    _ pipe: borrowing FileDescriptor, upTo wanted: String?
  ) -> (text: String, isComplete: Bool) {
    var text = ""
    var buffer = [UInt8](repeating: 0, count: 4096)
    while true {
      let outcome = buffer.withUnsafeMutableBytes { try? pipe.read(into: $0) }
      guard case .bytes(let count)? = outcome else { return (text, wanted == nil) }
      text += String(decoding: buffer[..<count], as: UTF8.self)
      if let wanted, text.contains(wanted) { return (text, true) }
    }
  }
}
