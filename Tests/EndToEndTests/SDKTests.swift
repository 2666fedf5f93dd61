import CloudburstClient
import Foundation
import Testing

/// The SDK against real processes.
@Suite(.serialized, .timeLimit(.minutes(5))) struct SDKTests {
  @Test func manyCallsAreInFlightOnOneConnection() async throws {
    let dev = try LocalDev(uploading: ["arithmetic"])
    let cloud = try await CloudburstClient.connect(to: dev.endpoint)
    let sum = try await withThrowingTaskGroup(of: Int.self) { group in
      for number in 0..<1000 {
        group.addTask { try await cloud.call("square", number) }
      }
      return try await group.reduce(0, +)
    }
    #expect(sum == (0..<1000).reduce(0) { $0 + $1 * $1 })
    await cloud.close()
  }

  @Test func aPutIsSeenByTheNextCall() async throws {
    let dev = try LocalDev(uploading: ["arithmetic"])
    let cloud = try await CloudburstClient.connect(to: dev.endpoint)
    for number in 1...200 {
      try await cloud.put("n", number)
      let squared: Int = try await cloud.call("square", CallArgument.reference("n"))
      #expect(squared == number * number)
    }
    await cloud.close()
  }

  @Test func concurrentVisitsAllCount() async throws {
    let dev = try LocalDev(durable: true, executors: 3, uploading: ["visits"])
    let cloud = try await CloudburstClient.connect(to: dev.endpoint)
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<300 { group.addTask { try await cloud.call("visit", "home") } }
      try await group.waitForAll()
    }
    #expect(try await cloud.counter("visits/home").value() == 300)
    await cloud.close()
  }

  @Test func theClientSurvivesARestartOfTheCluster() async throws {
    let dev = try LocalDev(durable: true, uploading: ["arithmetic"])
    let cloud = try await CloudburstClient.connect(to: dev.endpoint)
    try await cloud.put("n", 3)
    try dev.killDaemon()
    try dev.start()
    let nine: Int = try await cloud.call("square", CallArgument.reference("n"))
    #expect(nine == 9)
    await cloud.close()
  }

  @Test func aWatchTellsTheLastStateAlsoAcrossARestart() async throws {
    let dev = try LocalDev(durable: true)
    let cloud = try await CloudburstClient.connect(to: dev.endpoint)
    try await cloud.put("n", 1)
    var states = try cloud.watch("n", as: Int.self).makeAsyncIterator()
    #expect(try await states.next() == .some(.some(1)))
    try dev.killDaemon()
    try dev.start()
    try await cloud.put("n", 2)
    var last: Int?? = try await states.next()
    while last == .some(.some(1)) { last = try await states.next() }
    #expect(last == .some(.some(2)))
    await cloud.close()
  }

  @Test func aCancelledTasksCallEnds() async throws {
    let dev = try LocalDev(uploading: ["misbehaving"])
    let cloud = try await CloudburstClient.connect(to: dev.endpoint)
    let task = Task { try await cloud.call("endless") }
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
    await cloud.close()
  }

  @Test func aFutureIsKeptUnderTheKeyAskedFor() async throws {
    let dev = try LocalDev(uploading: ["arithmetic"])
    let cloud = try await CloudburstClient.connect(to: dev.endpoint)
    let future = try await cloud.submit(
      "square", 5, storingResultAs: "answer", returning: Int.self)
    #expect(try await future.value() == 25)
    #expect(try await cloud.get("answer", as: Int.self) == 25)
    await cloud.close()
  }

  @Test func aBodyOnTheClientsLoopCallsAndReads() async throws {
    let dev = try LocalDev(uploading: ["arithmetic"])
    let cloud = try await CloudburstClient.connect(to: dev.endpoint)
    let result = try await cloud.run {
      try await cloud.put("n", 4)
      let squared: Int = try await cloud.call("square", CallArgument.reference("n"))
      return squared
    }
    #expect(result == 16)
    await cloud.close()
  }
}
