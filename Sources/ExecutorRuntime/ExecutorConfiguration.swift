package import ClusterModel

/// Who an executor process is and whom it dials: its command line, written by its supervisor.
package struct ExecutorConfiguration: Equatable, Sendable {
  package var identity: ExecutorID
  /// The life of the agent that started it; zero where nobody says.
  package var agent: Incarnation
  package var cluster: ClusterID
  package var schedulerEndpoint: String
  package var cacheEndpoint: String
  package var supervisorEndpoint: String
  /// The file of the node's slot table.
  package var slotsPath: String

  package init(
    identity: ExecutorID, cluster: ClusterID, scheduler: String, cache: String,
    supervisor: String, slots: String
  ) {
    self.identity = identity
    agent = Incarnation(0)
    self.cluster = cluster
    schedulerEndpoint = scheduler
    cacheEndpoint = cache
    supervisorEndpoint = supervisor
    slotsPath = slots
  }
}

/// What the program was started for.
package enum ExecutorCommand: Equatable, Sendable {
  case run(ExecutorConfiguration)
  /// Load a bundle, describe it and end. `answer` is a file to write; `nil` is descriptor 3.
  case probe(path: String, answer: String?)
  case help
  /// Print the platform's version, and the toolchain that bundles in Swift must be of.
  case version

  package static let usage = """
    usage: cloudburst-executor --node NAME --number N --incarnation BASE36 --agent BASE36
               --cluster HEX --scheduler ENDPOINT --cache ENDPOINT --supervisor ENDPOINT
               --slots FILE
           cloudburst-executor --probe BUNDLE [--answer FILE]

    Runs functions for one node of a cluster; started by cloudburstd, not by hand.
    --probe loads a bundle as an executor would and writes its BundleRecord to FILE (default:
    descriptor 3): what it holds, or why it is refused.

    """

  /// - Parameter arguments: without the program's name.
  package init(arguments: [String]) throws(Failure) {
    if arguments.contains("--help") || arguments.contains("-h") {
      self = .help
      return
    }
    if arguments == ["--version"] {
      self = .version
      return
    }
    var options = try Self.options(arguments)
    if let path = options.removeValue(forKey: "--probe") {
      self = .probe(path: path, answer: options.removeValue(forKey: "--answer"))
    } else {
      self = .run(try Self.configuration(&options))
    }
    if let unknown = options.keys.min() { throw .usage("\(unknown) is no option here") }
  }

  private static func options(_ arguments: [String]) throws(Failure) -> [String: String] {
    var options: [String: String] = [:]
    var rest = arguments[...]
    while let name = rest.popFirst() {
      guard name.hasPrefix("--") else { throw .usage("'\(name)' is no option") }
      guard let value = rest.popFirst() else { throw .usage("\(name) needs a value") }
      guard options.updateValue(value, forKey: name) == nil else {
        throw .usage("\(name) is given twice")
      }
    }
    return options
  }

  private static func configuration(
    _ options: inout [String: String]
  ) throws(Failure) -> ExecutorConfiguration {
    func take(_ name: String) throws(Failure) -> String {
      guard let value = options.removeValue(forKey: name) else {
        throw .usage("\(name) is missing")
      }
      return value
    }
    func number<Number: FixedWidthInteger>(
      _ name: String, radix: Int, _: Number.Type
    ) throws(Failure) -> Number {
      let text = try take(name)
      guard let number = Number(text, radix: radix) else {
        throw .usage("\(name) \(text) is no number to base \(radix)")
      }
      return number
    }
    var configuration = ExecutorConfiguration(
      identity: ExecutorID(
        node: NodeID(try take("--node")), number: try number("--number", radix: 10, UInt32.self),
        incarnation: Incarnation(try number("--incarnation", radix: 36, UInt64.self))),
      cluster: ClusterID(try number("--cluster", radix: 16, UInt64.self)),
      scheduler: try take("--scheduler"), cache: try take("--cache"),
      supervisor: try take("--supervisor"), slots: try take("--slots"))
    configuration.agent = Incarnation(try number("--agent", radix: 36, UInt64.self))
    return configuration
  }
}

extension Failure {
  fileprivate static func usage(_ message: String) -> Failure {
    Failure(.usage, message, hint: "cloudburst-executor --help")
  }
}
