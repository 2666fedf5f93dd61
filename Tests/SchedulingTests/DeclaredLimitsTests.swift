import ClusterModel
import Testing
import WireProtocol

@testable import Scheduling

/// What functions say of their own limits, and what their callers may change of it.
@Suite struct DeclaredLimitsTests {
  private let crashed = Failure(.functionCrashed, "the function ended its process: signal 4")

  private func driver() -> Driver {
    var store = StoreDouble.withArithmetic()
    var record = FunctionRecord.test("square", 1, bundle: "arithmetic", digest: Driver.digest)
    record.timeLimitMicroseconds = 2_000_000
    record.memoryMebibytes = 1024
    record.attemptsMax = 1
    store.put(ReservedKeys.function("square"), record.encoded())
    return Driver(store: store)
  }

  @Test func aFunctionsTimeEndsACallThatAllowsMore() throws {
    var driver = driver()
    _ = driver.attach(0)
    driver.call(.to("square", 1, limit: .seconds(10)), number: 1)
    #expect(try #require(driver.takeDispatches().first).header.remaining == .seconds(2))
  }

  @Test func aCallsShorterTimeCounts() throws {
    var driver = driver()
    _ = driver.attach(0)
    driver.call(.to("square", 1, limit: .seconds(1)), number: 1)
    #expect(try #require(driver.takeDispatches().first).header.remaining == .seconds(1))
  }

  @Test func aFunctionsMemoryTravelsWithItsCalls() throws {
    var driver = driver()
    _ = driver.attach(0)
    driver.call(.to("square", 1), number: 1)
    #expect(try #require(driver.takeDispatches().first).header.memoryMebibytes == 1024)
  }

  @Test(arguments: [(0, 1), (2, 2)] as [(UInt8, Int)])
  func aFunctionSaysHowOftenItIsTriedUnlessItsCallerDoes(wanted: UInt8, attempts: Int) {
    var driver = driver()
    driver.call(.to("square", 1, attempts: wanted), number: 1)
    var count = 0
    for life in 1...4 as ClosedRange<UInt64> {
      _ = driver.attach(0, life: life)
      for dispatch in driver.takeDispatches() {
        count += 1
        driver.step(.executorLost(dispatch.executor, cause: crashed))
      }
    }
    #expect(count == attempts)
  }

  @Test func aDAGHasWhatSuitsAllItsFunctions() {
    var (one, two) = (FunctionRecord(), FunctionRecord())
    one.timeLimitMicroseconds = 1000
    one.memoryMebibytes = 64
    two.timeLimitMicroseconds = 500
    two.memoryMebibytes = 700
    two.attemptsMax = 2
    var limits = DeclaredLimits()
    limits.add(one)
    limits.add(two)
    #expect(limits.timeNanoseconds == 1_500_000)
    #expect(limits.memoryMebibytes == 700)
    #expect(limits.attemptsMax == 2)
    limits.add(FunctionRecord())
    #expect(limits.timeNanoseconds == nil, "a function without a limit may take any time")
  }
}
