import Simulation
import Testing

/// Several storage nodes under deaths, pauses, joins and leaves; every acknowledged add is in every
/// later read and in every copy at the end.
@Suite struct TierTests {
  static func run(
    _ seed: UInt64, planted: TierBug? = nil,
    _ change: (inout TierSimulation.Profile) -> Void = { _ in }
  ) -> TierSimulation {
    var profile = TierSimulation.Profile()
    change(&profile)
    let simulation = TierSimulation(seed: seed, profile: profile, planted: planted)
    simulation.run()
    return simulation
  }

  @Test func durableWritesSurviveEverything() {
    for seed in UInt64(1)...8 {
      let simulation = Self.run(seed)
      #expect(simulation.violations.isEmpty, "seed \(seed): \(simulation.violations.prefix(3))")
      #expect(simulation.counts.adds > 300 && simulation.counts.faults > 1, "seed \(seed)")
    }
  }

  @Test func replicatedWritesSurviveOneDeathAtATime() {
    for seed in UInt64(1)...8 {
      let simulation = Self.run(seed) { $0.surviveInMemory() }
      #expect(simulation.violations.isEmpty, "seed \(seed): \(simulation.violations.prefix(3))")
      #expect(simulation.counts.adds > 300 && simulation.counts.faults > 0, "seed \(seed)")
    }
  }

  @Test func durableWritesSurviveTheDeathOfAll() {
    for seed in UInt64(1)...8 {
      let simulation = Self.run(seed) { $0.dieTogether() }
      #expect(simulation.violations.isEmpty, "seed \(seed): \(simulation.violations.prefix(3))")
      #expect(simulation.counts.adds > 300 && simulation.counts.faults > 0, "seed \(seed)")
    }
  }

  @Test func durableWritesSurviveAllFaultsMixed() {
    for seed in [7, 128] + Array(UInt64(1)...6) {
      let simulation = Self.run(seed) { $0.dieAnyhow() }
      #expect(simulation.violations.isEmpty, "seed \(seed): \(simulation.violations.prefix(3))")
      #expect(simulation.counts.adds > 300 && simulation.counts.faults > 1, "seed \(seed)")
    }
  }

  @Test func whatWasDeletedDoesNotComeBackWithANodeThatWasAway() {
    for seed in [UInt64(24), 154, 263] {
      let simulation = Self.run(seed) { $0.stayAway() }
      #expect(simulation.violations.isEmpty, "seed \(seed): \(simulation.violations.prefix(3))")
      let counts = simulation.counts
      #expect(counts.deletes > 100 && counts.collectedTombstones > 50, "seed \(seed): \(counts)")
    }
  }

  @Test func extraReplicasOfHotKeysMissNothing() {
    for seed in UInt64(1)...3 {
      let simulation = Self.run(seed) { $0.runHot() }
      #expect(simulation.violations.isEmpty, "seed \(seed): \(simulation.violations.prefix(3))")
      let counts = simulation.counts
      // Hostings are counted by lives, of which the last may have seen none.
      #expect(counts.extraOperations > 500, "seed \(seed): \(counts)")
    }
  }

  @Test(arguments: [true, false])
  func recordsOnTheDiskOnlyMissNothing(isDurable: Bool) {
    var counts = TierSimulation.Counts()
    for seed in UInt64(1)...2 {
      let simulation = Self.run(seed) { profile in
        if !isDurable { profile.surviveInMemory() }
        profile.runCold()
      }
      #expect(simulation.violations.isEmpty, "seed \(seed): \(simulation.violations.prefix(3))")
      counts.add(simulation.counts)
    }
    // They are counted by lives.
    #expect(counts.demotions > 500 && counts.promotions > 300, "\(counts)")
  }

  @Test(arguments: [-3600, 3600])
  func aClockThatIsAnHourOffLosesNothing(seconds: Int) {
    for seed in UInt64(1)...2 {
      for stayAway in [false, true] {
        let simulation = Self.run(seed) { profile in
          if stayAway { profile.stayAway() } else { profile.dieAnyhow() }
          profile.clockOffset = .seconds(seconds)
        }
        let violations = simulation.violations.prefix(3)
        #expect(violations.isEmpty, "seed \(seed), \(stayAway): \(violations)")
        #expect(simulation.counts.adds > 300, "seed \(seed)")
      }
    }
  }

  /// What a copy has lost without a trace no write brings back: most keys are not written again.
  @Test func copiesThatDifferAreFoundAndRepaired() {
    var found = 0
    for seed in UInt64(1)...4 {
      func differences(comparing: Bool) -> [TierSimulation.Violation] {
        Self.run(seed) { profile in
          profile.keys = 400
          profile.recordsPerLoss = 20
          profile.comparesCopies = comparing
          profile.faultInterval = .seconds(1000)
        }.violations.filter { violation in
          if case .divergence = violation { true } else { false }
        }
      }
      found += differences(comparing: false).count
      let left = differences(comparing: true)
      #expect(left.isEmpty, "seed \(seed): \(left.prefix(3))")
    }
    #expect(found > 40, "without comparing, that many copies differ in the end")
  }

  @Test(arguments: TierBug.allCases)
  func everyPlantedFaultIsSeen(_ bug: TierBug) {
    let seen = (UInt64(1)...60).first { seed in
      let simulation = Self.run(seed, planted: bug) { profile in
        switch bug {
        case .forgetsTheMissing, .commitsLie: profile.dieTogether()
        case .bringsBackTheDeleted: profile.stayAway()
        case .trustsItsClock:
          profile.stayAway()
          profile.clockOffset = .seconds(3600)
        case .starvesReplicas, .forgetsReplicas: profile.runHot()
        case .neverLoads: profile.runCold()
        case .acknowledgesEarly, .settlesAtOnce: break
        }
      }
      return !simulation.violations.isEmpty
    }
    #expect(seen != nil, "\(bug) in 60 seeds")
  }
}
