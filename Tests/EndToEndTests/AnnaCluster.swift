import Foundation
import Synchronization
import Testing

/// A local cluster with a door for Anna's clients, at ports of its own.
final class AnnaCluster: Sendable {
  let dev: LocalDev
  let port: UInt16

  /// - Parameter options: further ones of `cbctl dev`.
  init(durable: Bool = false, nodes: Int = 1, options: [String] = []) throws {
    port = Self.freePort()
    dev = try LocalDev(
      durable: durable, executors: 1, nodes: nodes,
      options: ["--anna-compat", "--anna-port", "\(port)"] + options)
  }

  /// Runs a scenario of `Tests/Fixtures/anna/door.py` to its end.
  ///
  /// - Returns: what it printed.
  @discardableResult func client(_ scenario: String, _ words: String...) throws -> String {
    let outcome = try run(
      "/usr/bin/env", Self.command(scenario, port) + words, environment: Self.environment)
    try #require(
      outcome.status == 0,
      "\(scenario): \(outcome.errors.suffix(1500)) (are the packages of tools/setup there?)")
    return outcome.text
  }

  private static let environment = [
    "PYTHONPATH": Workbench.repository + "/.build/anna-python", "PYTHONDONTWRITEBYTECODE": "1",
  ]

  private static func command(_ scenario: String, _ port: UInt16) -> [String] {
    [
      "python3", Workbench.repository + "/Tests/Fixtures/anna/door.py", scenario, "\(port)",
      "\(answerPort())",
    ]
  }

  /// Two in a row.
  private static func answerPort() -> UInt16 {
    while true {
      let first = Workbench.freePort()
      if Workbench.freePort() == first + 1 { return first }
    }
  }

  private static let lastPort = Mutex<UInt16>(UInt16(10_500 + getpid() % 997 * 8))

  /// The first of four that nothing listens on, nor 250 below it.
  static func freePort() -> UInt16 {
    lastPort.withLock { last in
      repeat {
        last += 8
      } while !(0..<4).allSatisfy { Workbench.isFree(last + $0) }
        || !Workbench.isFree(last - 250)
      return last
    }
  }
}
