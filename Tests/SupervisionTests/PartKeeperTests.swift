import ClusterModel
import Testing

@testable import Supervision

private struct Driver {
  var keeper: PartKeeper
  var now: UInt64 = 1_000_000_000

  init(nodes: Int = 2) {
    keeper = PartKeeper(
      .init(parts: [.storage(0), .scheduler] + (0..<nodes).map(ClusterPart.node)))
  }

  mutating func step(_ input: PartKeeper.Input) -> [PartKeeper.Effect] {
    var effects: [PartKeeper.Effect] = []
    keeper.step(input, now: now, into: &effects)
    return effects
  }

  mutating func pass(_ time: Duration) { now += time.wholeNanoseconds }

  mutating func start(_ part: ClusterPart) {
    _ = step(.spawned(part, processID: 1))
    _ = step(.ready(part))
  }

  /// All parts serve.
  static func serving() -> Driver {
    var driver = Driver()
    _ = driver.step(.begin)
    for part in driver.keeper.parts { driver.start(part) }
    return driver
  }
}

@Suite struct PartKeeperTests {
  @Test func allPartsStartAtOnce() {
    var driver = Driver()
    let parts: [ClusterPart] = [.storage(0), .scheduler, .node(0), .node(1)]
    #expect(driver.step(.begin) == parts.map(PartKeeper.Effect.spawn))
  }

  @Test func theClusterIsReadyOnceEveryPartIs() {
    var driver = Driver()
    _ = driver.step(.begin)
    for part in [ClusterPart.node(1), .scheduler, .node(0)] {
      #expect(driver.step(.ready(part)).isEmpty)
    }
    #expect(driver.step(.ready(.storage(0))) == [.ready])
  }

  @Test func aPartThatCannotStartEndsTheOthers() {
    var driver = Driver(nodes: 1)
    _ = driver.step(.begin)
    _ = driver.step(.ready(.storage(0)))
    let effects = driver.step(.ended(.scheduler))
    #expect(effects.first == .failed(.scheduler))
    #expect(effects.contains(.end(.node(0))))
    #expect(driver.step(.ended(.node(0))).contains(.end(.storage(0))))
    #expect(driver.step(.ended(.storage(0))) == [.stopped])
  }

  @Test func aDeadPartComesBackAtOnce() {
    var driver = Driver.serving()
    #expect(driver.step(.ended(.node(1))) == [.spawn(.node(1))])
    #expect(driver.keeper.lives[.node(1)]?.restarts == 1)
  }

  @Test func shortLivesInARowAreSpacedOut() {
    var driver = Driver.serving()
    _ = driver.step(.ended(.scheduler))
    var delays: [Duration] = []
    for _ in 0..<8 {
      for effect in driver.step(.ended(.scheduler)) {
        guard case .wakeUp(let delay) = effect else { continue }
        delays.append(delay)
        driver.pass(delay)
      }
      #expect(driver.step(.timer) == [.spawn(.scheduler)])
    }
    #expect(delays == [100, 200, 400, 800, 1600, 3200, 5000, 5000].map { .milliseconds($0) })
  }

  @Test func aLongLifeIsForgivenItsEnd() {
    var driver = Driver.serving()
    _ = driver.step(.ended(.storage(0)))
    driver.start(.storage(0))
    driver.pass(.seconds(10))
    #expect(driver.step(.ended(.storage(0))) == [.spawn(.storage(0))])
  }

  @Test func theEndGoesFromCallsToTheStore() {
    var driver = Driver.serving()
    #expect(driver.step(.stop).contains(.end(.scheduler)))
    #expect(
      driver.step(.ended(.scheduler)).filter { $0 != .wakeUp(after: .seconds(8)) }
        == [.end(.node(0)), .end(.node(1))])
    #expect(driver.step(.ended(.node(1))).isEmpty)
    #expect(driver.step(.ended(.node(0))).contains(.end(.storage(0))))
    #expect(driver.step(.ended(.storage(0))) == [.stopped])
  }

  @Test func aPartThatDoesNotEndIsKilled() {
    var driver = Driver.serving()
    _ = driver.step(.stop)
    driver.pass(.seconds(7))
    #expect(driver.step(.timer).isEmpty)
    driver.pass(.seconds(1))
    #expect(driver.step(.timer) == [.kill(.scheduler)])
  }

  @Test func aPartThatIsDownIsNotStartedForTheEnd() {
    var driver = Driver.serving()
    _ = driver.step(.ended(.scheduler))
    _ = driver.step(.ended(.scheduler))
    let effects = driver.step(.stop)
    #expect(effects.contains(.end(.node(0))))
    driver.pass(.seconds(1))
    #expect(!driver.step(.timer).contains(.spawn(.scheduler)))
  }

  @Test func aPartCanBeAddedToAClusterThatServes() {
    var driver = Driver.serving()
    #expect(driver.step(.add(.storage(1))) == [.spawn(.storage(1))])
    driver.start(.storage(1))
    #expect(driver.step(.add(.storage(1))).isEmpty, "it is there")
    #expect(driver.step(.ended(.storage(1))) == [.spawn(.storage(1))])
  }

  @Test func aRemovedPartHandsOverAndIsNotStartedAgain() {
    var driver = Driver.serving()
    _ = driver.step(.add(.storage(1)))
    driver.start(.storage(1))
    #expect(driver.step(.remove(.storage(1))) == [.leave(.storage(1))])
    #expect(driver.step(.remove(.storage(1))).isEmpty, "it is told once")
    #expect(driver.step(.left(.storage(1))).isEmpty)
    #expect(driver.step(.ended(.storage(1))) == [.retired(.storage(1))])
    #expect(!driver.keeper.parts.contains(.storage(1)))
  }

  @Test func aRemovedPartThatDiesBeforeItHasHandedOverGoesOnInItsNextLife() {
    var driver = Driver.serving()
    _ = driver.step(.add(.storage(1)))
    driver.start(.storage(1))
    _ = driver.step(.remove(.storage(1)))
    #expect(driver.step(.ended(.storage(1))) == [.spawn(.storage(1))])
    _ = driver.step(.spawned(.storage(1), processID: 2))
    #expect(driver.step(.ready(.storage(1))) == [.leave(.storage(1))])
  }

  @Test func theRouterEndsLast() {
    var driver = Driver()
    driver.keeper = PartKeeper(.init(parts: [.router, .storage(0), .scheduler, .node(0)]))
    _ = driver.step(.begin)
    for part in driver.keeper.parts { driver.start(part) }
    _ = driver.step(.stop)
    for part in [ClusterPart.scheduler, .node(0)] { _ = driver.step(.ended(part)) }
    #expect(driver.step(.ended(.storage(0))).contains(.end(.router)))
    #expect(driver.step(.ended(.router)) == [.stopped])
  }
}
