import Foundation
import Synchronization
import Testing

/// A program that goes on while the test does, its output read line by line.
final class LiveProcess: Sendable {
  private final class Output: Sendable {
    let text = Mutex("")
    let hasEnded = Mutex(false)
    let news = DispatchSemaphore(value: 0)
  }

  let id: Int32
  private let process: Mutex<Process>
  private let output = Output()

  init(_ program: String, _ arguments: [String], environment: [String: String]) throws {
    let process = Process()
    process.executableURL = URL(filePath: program)
    process.arguments = arguments
    process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    process.standardInput = FileHandle.nullDevice
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = pipe
    try process.run()
    id = process.processIdentifier
    self.process = Mutex(process)
    pipe.fileHandleForReading.readabilityHandler = { [output] handle in
      let data = handle.availableData
      output.text.withLock { $0 += String(decoding: data, as: UTF8.self) }
      if data.isEmpty {
        output.hasEnded.withLock { $0 = true }
        handle.readabilityHandler = nil
      }
      output.news.signal()
    }
  }

  deinit { kill(id, SIGKILL) }

  var text: String { output.text.withLock { $0 } }

  /// - Returns: whether the output came to hold `wanted` before the program's end or the limit.
  func prints(_ wanted: String, within limit: TimeInterval = 20) -> Bool {
    let deadline = DispatchTime.now() + limit
    while true {
      let hasEnded = output.hasEnded.withLock { $0 }
      let isFound = text.contains(wanted)
      if isFound || hasEnded { return isFound }
      if output.news.wait(timeout: deadline) == .timedOut { return false }
    }
  }

  /// Sends a signal and waits for the end. - Returns: the exit code; nil after a signal's death.
  func end(by signal: Int32) -> Int32? {
    kill(id, signal)
    return process.withLock {
      $0.waitUntilExit()
      return $0.terminationReason == .exit ? $0.terminationStatus : nil
    }
  }
}
