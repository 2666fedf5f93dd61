import ClusterModel
import Testing
import WireProtocol

@testable import Execution

/// The straight read is the same as the long one, or it declines.
@Suite struct HotReadTests {
  @Test func aHitIsAnsweredAndHeldBackAsTheLongWayWould() throws {
    let record = stored("1", stamp: 9, sequence: 7)
    var long = ExecutorDriver()
    long.startBody()
    let read = long.step(.read(Key("x"), token: 1)).lookUps[0]
    let answer = long.step(.lookedUp(.record(record), read: read)).answer
    var straight = ExecutorDriver()
    straight.startBody()
    #expect(straight.hit(record, of: "x") == answer)
    let (slow, fast) = (long.endBody(), straight.endBody())
    #expect(fast.result?.session == slow.result?.session)
    #expect(fast.result?.awaitsRelease == true)
    #expect(fast.writes?.0.readSequence == 7)
  }

  @Test func whatACallHasReadItDoesNotReadOlder() {
    var driver = ExecutorDriver()
    driver.startBody()
    #expect(driver.hit(stored("new", stamp: 9), of: "x") != nil)
    #expect(driver.hit(stored("old", stamp: 8), of: "x") == nil)
  }

  @Test func aCallThatWroteTakesTheLongWay() {
    var driver = ExecutorDriver()
    driver.startBody()
    let before = driver.executor.readsStraight
    _ = driver.step(.write(put("x", "mine")))
    let after = driver.executor.readsStraight
    #expect(before && !after)
  }

  @Test func aCancelledCallTakesTheLongWay() {
    var driver = ExecutorDriver()
    driver.startBody()
    _ = driver.step(.cancelled(InvocationID(high: 1, low: 2)))
    let straight = driver.executor.readsStraight
    #expect(!straight)
  }

  @Test func partialExpiredAndOtherRecordsTakeTheLongWay() {
    var driver = ExecutorDriver()
    driver.startBody()
    var partial = stored("1")
    partial.flags = .partial
    var expired = stored("1")
    expired.expiry = driver.readings.wall - 1
    for record in [partial, expired, counterRecord(3)] {
      #expect(driver.hit(record, of: "x") == nil)
    }
  }
}

extension ExecutorDriver {
  fileprivate mutating func hit(_ record: Record, of key: String) -> ReadAnswer? {
    let wall = readings.wall
    return executor.takeHit(
      record, of: Key(key), acknowledged: readings.acknowledged, wall: { wall })
  }
}
