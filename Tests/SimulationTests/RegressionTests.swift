import Simulation
import Testing

/// Seeds that once broke a promise, by what went wrong.
@Suite struct RegressionTests {
  @Test(arguments: [UInt64(8), 21, 23, 35, 44, 59])
  func aCallsWriteIsStampedAfterItsCallersEarlierWrite(_ seed: UInt64) {
    expectPromisesKept(seed)
  }

  @Test(arguments: [UInt64(167), 257, 1473])
  func aPushThatCameAfterItsKeyWasEvictedIsNotKeptForEver(_ seed: UInt64) {
    expectPromisesKept(seed)
  }

  @Test func anAgentsNextLifeStampsAfterItsEarlierOne() { expectPromisesKept(2875) }

  /// A call lost with its agent ran twice at once: the scheduler took the agent's second hello for
  /// another loss, of executors that had attached between the two.
  @Test func executorsOfAnAgentsNextLifeAreNotLostWithTheEarlierOne() { expectPromisesKept(3972) }

  @Test(arguments: [UInt64(177), 436])
  func aClientsNextCallOnAnotherNodeSeesWhatItsLastOneWrote(_ seed: UInt64) {
    expectPromisesKept(seed)
  }

  /// Two nodes stamped a value each with the same stamp; the owner kept the other one.
  @Test func aCacheWhoseWriteLostATieDoesNotKeepItsOwn() { expectPromisesKept(316) }

  @Test func aLostAcknowledgementDoesNotCloseThePushWindowForGood() { expectPromisesKept(2709) }

  /// The store had another life in the middle of the list, in which the cursor meant another place.
  @Test func aSchedulerThatStartsWithTheStoreFindsAllIntents() { expectPromisesKept(2394) }

  private func expectPromisesKept(_ seed: UInt64) {
    let report = Simulation.run(SimulationOptions(seed: seed))
    #expect(report.violations.isEmpty, SimulationTests.account(of: report))
  }
}
