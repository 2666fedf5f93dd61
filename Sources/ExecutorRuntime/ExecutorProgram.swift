import CPlatform
import ClusterModel
import Glibc
import Platform
import PluginHost
import WireProtocol
import ZeroMQ

/// What the program does from its command line to its exit code.
package enum ExecutorProgram {
  /// Descriptor of the answer to `--probe` where no file is named.
  private static let answerDescriptor: Int32 = 3

  package static func run(_ arguments: [String]) -> Int32 {
    do {
      switch try ExecutorCommand(arguments: arguments) {
      case .help:
        write(ExecutorCommand.usage, to: STDOUT_FILENO)
        return 0
      case .version:
        write("\(PlatformVersion.text)\n\(BundleStamp.hostToolchain)\n", to: STDOUT_FILENO)
        return 0
      case .probe(let path, let answer):
        prepareOutput()
        try probe(path, answer: answer)
        return 0
      case .run(let configuration):
        prepareOutput()
        return try serve(configuration)
      }
    } catch let failure as Failure {
      write("cloudburst-executor: \(failure)\n", to: STDERR_FILENO)
      return failure.code.exitCode
    } catch {
      write("cloudburst-executor: \(error)\n", to: STDERR_FILENO)
      return ErrorCode.unavailable.exitCode
    }
  }

  private static func serve(_ configuration: ExecutorConfiguration) throws -> Int32 {
    let loop = try ExecutorLoop(configuration, in: Context(socketsMax: 16))
    let (reason, status): (String, Int32) =
      switch try loop.run() {
      case .retired: ("it has held enough; a fresh one takes its place", 0)
      case .stopped: ("it was told to", 0)
      case .refused(let failure): ("\(failure)", failure.code.exitCode)
      case .lostAgent(let reason): (reason, ErrorCode.unavailable.exitCode)
      }
    // How the supervisor tells this end from a function's `exit`.
    write("cloudburst-executor: ends: \(reason)\n", to: STDERR_FILENO)
    return status
  }

  /// The functions' output goes line by line, so that a crash loses none and lines do not mix; and a
  /// crash says what is not to be seen from outside.
  private static func prepareOutput() {
    cb_line_buffer_output()
    Signals.ignoreBrokenPipes()
    cb_report_crashes()
  }

  private static func probe(_ path: String, answer: String?) throws {
    guard let answer else {
      var last = BundleRecord()
      try BundleProbe.run(onFileAt: path) { last = $0 }
      return try send(last.encoded())
    }
    try BundleProbe.run(onFileAt: path) { record in
      try Files.writeAtomically(Array(record.encoded()), to: answer)
    }
  }

  private static func send(_ record: Bytes) throws {
    let answer = FileDescriptor(owning: answerDescriptor)
    let outcome: Result<Void, PlatformError> = record.withUnsafeBytes { bytes in
      do throws(PlatformError) {
        return .success(try answer.write(bytes))
      } catch {
        return .failure(error)
      }
    }
    try outcome.get()
  }

  private static func write(_ text: String, to descriptor: Int32) {
    var text = text
    // Nobody can be told that standard error is closed.
    _ = text.withUTF8 { Glibc.write(descriptor, $0.baseAddress, $0.count) }
  }
}
