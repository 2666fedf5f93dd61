import Simulation
import Testing

/// Seeds that once broke a promise, by what went wrong.
@Suite struct RegressionTests {
  @Test(arguments: [UInt64(8), 21, 23, 35, 44, 59])
  func aCallsWriteIsStampedAfterItsCallersEarlierWrite(_ seed: UInt64) {
    expectPromisesKept(seed)
  }

  private func expectPromisesKept(_ seed: UInt64) {
    let report = Simulation.run(SimulationOptions(seed: seed))
    #expect(report.violations.isEmpty, SimulationTests.account(of: report))
  }
}
