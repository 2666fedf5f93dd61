import ArgumentParser
import Simulation

struct Run: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Run one seed.",
    discussion: """
      Examples:
        cbsim run --seed 42
        cbsim run --seed 42 --trace > history.txt
        cbsim run --seed 42 -o json
      """)

  @Option(help: "A number from 0 to 18446744073709551615.")
  var seed: UInt64

  @Flag(help: "Print every event, too.")
  var trace = false

  @OptionGroup var world: WorldOptions

  func run() throws {
    var options = world.simulation(of: seed)
    options.keepsTrace = trace
    let report = Simulation.run(options)
    for line in report.trace { print(line) }
    switch world.output {
    case .text: print(report.text)
    case .json: print(report.json)
    }
    guard report.violations.isEmpty else { throw ExitCode(1) }
  }
}
