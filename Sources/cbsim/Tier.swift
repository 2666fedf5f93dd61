import ArgumentParser
import Simulation

/// `cbsim tier`: storage nodes alone, with a membership, over a range of seeds.
struct Tier: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Run several storage nodes that die, stand still, join and leave.",
    discussion: """
      Clients add to sets and read them. A read contains every add acknowledged before it, all copies \
      are equal in the end, and nothing acknowledged is lost. Exit codes: 0 every promise was kept, \
      1 one was broken.

      Examples:
        cbsim tier --seeds 1..200
        cbsim tier --seeds 7..7 --level replicated
        cbsim tier --seeds 1..60 --plant settlesAtOnce
        cbsim tier --seeds 1..60 --faults away
      """)

  @Option(help: "A range like 1..100.")
  var seeds: SeedRange

  @Option(help: "durable, or replicated (then one death at a time).")
  var level = "durable"

  @Option(help: "Plant a bug: \(TierBug.allCases.map(\.rawValue).joined(separator: ", ")).")
  var plant: String?

  @Option(
    help: """
      apart (never all nodes at once), together (all at once only), mixed, away (for longer than \
      deleted keys are remembered), hot (apart, with keys that get extra replicas) or cold (with \
      most records on the disk only).
      """)
  var faults = "apart"

  @Option(help: "Milliseconds by which one node's clock is ahead.") var skew = 0
  @Option(help: "Bytes of records that each shard keeps in memory; the rest is on the disk only.")
  var memoryBudget: Int?

  func validate() throws {
    guard ["durable", "replicated"].contains(level) else {
      throw ValidationError("--level is durable or replicated, not \(level)")
    }
    guard ["apart", "together", "mixed", "away", "hot", "cold"].contains(faults) else {
      throw ValidationError("--faults is apart, together, mixed, away, hot or cold, not \(faults)")
    }
    guard plant == nil || planted != nil else {
      throw ValidationError("there is no planted bug \(plant ?? "")")
    }
  }

  private var planted: TierBug? { plant.flatMap { TierBug(rawValue: $0) } }

  func run() throws {
    var broken = 0
    var counts = TierSimulation.Counts()
    for seed in seeds.seeds {
      var profile = TierSimulation.Profile()
      if level == "replicated" { profile.surviveInMemory() }
      if faults == "together" { profile.dieTogether() }
      if faults == "mixed" { profile.dieAnyhow() }
      if faults == "away" { profile.stayAway() }
      if faults == "hot" { profile.runHot() }
      if faults == "cold" { profile.runCold() }
      if let memoryBudget { profile.memoryBytesMax = memoryBudget }
      profile.clockOffset = .milliseconds(skew)
      let simulation = TierSimulation(seed: seed, profile: profile, planted: planted)
      simulation.run()
      counts.add(simulation.counts)
      guard !simulation.violations.isEmpty else { continue }
      broken += 1
      print("seed \(seed): \(simulation.counts)")
      for violation in simulation.violations.prefix(5) { print("  \(violation)") }
    }
    print("all of them: \(counts)")
    print("\(seeds.seeds.count) seeds, \(broken) with violations")
    guard broken == 0 else { throw ExitCode(1) }
  }
}
