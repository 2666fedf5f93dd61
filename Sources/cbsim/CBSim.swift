import ArgumentParser
import Simulation

/// `cbsim`: a whole cluster in virtual time, from one seed.
@main
struct CBSim: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cbsim",
    abstract: "Run a whole Cloudburst cluster in virtual time, with faults, from one seed.",
    discussion: """
      The same seed gives the same history, frame by frame, on every machine. Exit codes: 0 every \
      promise was kept, 1 one was broken, 2 usage.

      Examples:
        cbsim run --seed 42
        cbsim run --seed 42 --trace | less
        cbsim sweep --seeds 1..500 --jobs 2
        cbsim sweep --seeds 1..100 --plant acknowledge-before-sync
        cbsim bugs
      """,
    subcommands: [Run.self, Sweep.self, Tier.self, Bugs.self])
}

enum OutputFormat: String, ExpressibleByArgument, CaseIterable {
  case text, json
}

struct WorldOptions: ParsableArguments {
  @Option(
    name: .customLong("plant"),
    help: "Plant a bug of this name (see cbsim bugs), to see an oracle catch it.")
  var planted: PlantedBug?

  @Option(help: "Virtual seconds for which clients work before everything heals.")
  var seconds: Int = 4

  @Flag(help: "Clients and the store alone: no scheduler, no node agents.")
  var storeOnly = false

  @Option(name: [.customShort("o"), .long], help: "text or json.")
  var output: OutputFormat = .text

  func validate() throws {
    guard (1...86_400).contains(seconds) else {
      throw ValidationError("--seconds is from 1 to 86400, not \(seconds)")
    }
  }

  func simulation(of seed: UInt64) -> SimulationOptions {
    var options = SimulationOptions(seed: seed)
    options.planted = planted
    options.workTime = .seconds(seconds)
    options.hasCompute = !storeOnly
    return options
  }

  /// What to type to see a seed again.
  func replay(of seed: UInt64) -> String {
    var words = ["cbsim", "run", "--seed", "\(seed)"]
    if seconds != 4 { words += ["--seconds", "\(seconds)"] }
    if storeOnly { words.append("--store-only") }
    if let planted { words += ["--plant", planted.rawValue] }
    return words.joined(separator: " ") + " --trace"
  }
}

extension PlantedBug: ExpressibleByArgument {}

struct Bugs: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "List the bugs that can be planted, and the oracles that see them.",
    discussion: "Example: cbsim bugs")

  func run() {
    for bug in PlantedBug.allCases {
      let oracles = bug.seenBy.map(\.rawValue).sorted().joined(separator: ", ")
      print("\(bug.rawValue): \(oracles)")
    }
  }
}
