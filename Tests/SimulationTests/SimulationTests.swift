import ClusterModel
import Simulation
import Testing

@Suite struct SimulationTests {
  /// A run's broken promises, with what to type to see it again.
  static func account(of report: SimulationReport) -> Comment {
    let first = report.violations.first.map { "\($0.oracle.rawValue): \($0.text)" } ?? ""
    return "seed \(report.seed): \(first); replay: cbsim run --seed \(report.seed) --trace"
  }

  /// 500 seeds, 50 at a time.
  @Test(arguments: UInt64(0)..<10)
  func everyPromiseIsKeptWhateverTheSeed(_ fifty: UInt64) {
    for seed in fifty * 50 + 1...fifty * 50 + 50 {
      let report = Simulation.run(SimulationOptions(seed: seed))
      #expect(report.violations.isEmpty, Self.account(of: report))
    }
  }

  @Test func theStoreAloneKeepsItsPromises() {
    for seed in UInt64(1)...40 {
      var options = SimulationOptions(seed: seed)
      options.hasCompute = false
      let report = Simulation.run(options)
      #expect(report.violations.isEmpty, Self.account(of: report))
    }
  }

  /// A run in which nothing happens keeps every promise: the storm and the work have to be there.
  @Test func theRunsAreWorthTheirTime() {
    var acknowledged = 0
    var failed = 0
    var faults = 0
    for seed in UInt64(1)...10 {
      let report = Simulation.run(SimulationOptions(seed: seed))
      acknowledged += report.acknowledged
      failed += report.failed
      faults += report.faults
    }
    #expect(acknowledged > 2000)
    #expect(failed > 100)
    #expect(faults > 50)
  }

  @Test(arguments: PlantedBug.allCases) func anOracleSeesThePlantedBug(_ bug: PlantedBug) {
    var others: Set<String> = []
    for seed in UInt64(1)...150 {
      var options = SimulationOptions(seed: seed)
      options.planted = bug
      guard let first = Simulation.run(options).violations.first else { continue }
      if bug.seenBy.contains(first.oracle) { return }
      others.insert(first.oracle.rawValue)
    }
    Issue.record("\(bug.rawValue) was not seen in 150 seeds; others saw: \(others.sorted())")
  }

  @Test func everyOracleHasAPlantedBugThatItSees() {
    let seen = PlantedBug.allCases.reduce(into: Set()) { $0.formUnion($1.seenBy) }
    #expect(seen == Set(Violation.Oracle.allCases))
  }
}

@Suite struct ReplayTests {
  @Test func theSameSeedGivesTheSameHistory() {
    for seed in UInt64(3)...8 {
      let first = Simulation.run(SimulationOptions(seed: seed))
      let second = Simulation.run(SimulationOptions(seed: seed))
      #expect(first == second, "seed \(seed)")
    }
  }

  @Test func anotherSeedGivesAnotherHistory() {
    let hashes = (UInt64(1)...10).map { Simulation.run(SimulationOptions(seed: $0)).traceHash }
    #expect(Set(hashes).count == hashes.count)
  }

  @Test func keepingTheTraceChangesNothing() {
    var options = SimulationOptions(seed: 5)
    let hash = Simulation.run(options).traceHash
    options.keepsTrace = true
    let report = Simulation.run(options)
    #expect(report.traceHash == hash)
    #expect(!report.trace.isEmpty)
  }
}
