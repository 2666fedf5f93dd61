import CloudburstClient
import ClusterModel
import Platform
import Testing
import WireProtocol

/// The client over real sockets, against a fake cluster in this process.
@Suite(.timeLimit(.minutes(1))) struct ClientTests {
  private func started(
    _ cluster: FakeCluster, _ adjust: (inout ClientConfiguration) -> Void = { _ in }
  ) async throws -> CloudburstClient {
    var configuration = ClientConfiguration()
    adjust(&configuration)
    return try await CloudburstClient.connect(to: cluster.endpoint, configuration: configuration)
  }

  @Test func aCallComesBackWithItsTypedResult() async throws {
    let cluster = try FakeCluster()
    let cloud = try await started(cluster)
    let nine: Int = try await cloud.call("square", 3)
    #expect(nine == 9)
    let text: String = try await cloud.call("echo", .raw(Array("words".utf8)))
    #expect(text == "words")
    let numbers: [Double] = try await cloud.call("echo", .json("[1, 2.5]"))
    #expect(numbers == [1, 2.5])
    await cloud.close()
    cluster.stop()
  }

  @Test func aReferenceIsTheStoredValue() async throws {
    let cluster = try FakeCluster()
    let cloud = try await started(cluster)
    try await cloud.put("n", 2)
    let four: Int = try await cloud.call("square", .reference("n"))
    #expect(four == 4)
    await cloud.close()
    cluster.stop()
  }

  @Test func ownWritesTravelWithTheNextCall() async throws {
    let cluster = try FakeCluster()
    let cloud = try await started(cluster)
    try await cloud.put("n", 2)
    let stamp = try #require(try await cloud.inspect("n")).stamp
    let versions: [String: Int] = try await cloud.call("session")
    #expect(versions == ["n": Int(stamp)])
    await cloud.close()
    cluster.stop()
  }

  @Test func aFailureArrivesWithEverythingItKnows() async throws {
    let cluster = try FakeCluster()
    let cloud = try await started(cluster)
    let error = await #expect(throws: CloudburstError.self) { try await cloud.call("fail") }
    #expect(error?.code == .functionFailed)
    #expect(error?.function == "fail")
    #expect(error?.requestID?.count == 32)
    let lines = error?.description.split(separator: "\n") ?? []
    #expect(lines.first == "FUNCTION_FAILED: it threw [fail@0123456789ab on n1/0]")
    #expect(lines.dropFirst().first == "hint: cbctl logs")
    await cloud.close()
    cluster.stop()
  }

  @Test func aResultOfAnotherTypeIsAnErrorThatNamesBoth() async throws {
    let cluster = try FakeCluster()
    let cloud = try await started(cluster)
    let error = await #expect(throws: CloudburstError.self) {
      let _: [String] = try await cloud.call("square", 3)
    }
    #expect(error?.code == .usage)
    #expect(error?.message.contains("[String]") == true)
    await cloud.close()
    cluster.stop()
  }

  @Test func nobodyThereIsUnavailableWithAHint() async throws {
    let cluster = try FakeCluster()
    cluster.stop()
    let error = await #expect(throws: CloudburstError.self) {
      _ = try await started(cluster) { $0.connectTimeLimit = .milliseconds(200) }
    }
    #expect(error?.code == .unavailable)
    #expect(error?.hint?.contains("cbctl dev") == true)
  }

  @Test func whatIsNoEndpointFailsAtOnce() async throws {
    let error = await #expect(throws: CloudburstError.self) {
      _ = try await CloudburstClient.connect(to: "nonsense")
    }
    #expect(error?.code == .usage)
  }

  @Test func aCallThatIsNotAnsweredTimesOutAndIsCancelled() async throws {
    let cluster = try FakeCluster()
    let cloud = try await started(cluster)
    let error = await #expect(throws: CloudburstError.self) {
      try await cloud.call("nothing", options: CallOptions(timeLimit: .milliseconds(50)))
    }
    #expect(error?.code == .timedOut)
    let cancel = await cluster.first { if case .cancel = $0 { true } else { false } }
    #expect(cancel != nil)
    await cloud.close()
    cluster.stop()
  }

  @Test func cancellingTheTaskCancelsTheCall() async throws {
    let cluster = try FakeCluster()
    let cloud = try await started(cluster)
    let task = Task { try await cloud.call("nothing") }
    _ = await cluster.first { $0 == .call("nothing") }
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
    let cancel = await cluster.first { if case .cancel = $0 { true } else { false } }
    #expect(cancel != nil)
    await cloud.close()
    cluster.stop()
  }

  @Test func aTaskCancelledBeforehandAsksNothing() async throws {
    let cluster = try FakeCluster()
    let cloud = try await started(cluster)
    let task = Task {
      while !Task.isCancelled { await Task.yield() }
      try await cloud.call("nothing")
    }
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
    await cloud.close()
    cluster.stop()
  }

  @Test func aThousandCallsAtOnceEachGetTheirOwnResult() async throws {
    let cluster = try FakeCluster()
    let cloud = try await started(cluster)
    let wrong = try await withThrowingTaskGroup(of: Bool.self) { group in
      for number in 0..<1000 {
        group.addTask {
          let square: Int = try await cloud.call("square", number)
          return square != number * number
        }
      }
      return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
    }
    #expect(wrong == 0)
    await cloud.close()
    cluster.stop()
  }

  @Test func callsBeyondTheInFlightLimitWaitTheirTurn() async throws {
    let cluster = try FakeCluster()
    let cloud = try await started(cluster) { $0.inFlightMax = 2 }
    let sum = try await withThrowingTaskGroup(of: Int.self) { group in
      for number in 0..<100 { group.addTask { try await cloud.call("square", number) } }
      return try await group.reduce(0, +)
    }
    #expect(sum == (0..<100).reduce(0) { $0 + $1 * $1 })
    await cloud.close()
    cluster.stop()
  }

  @Test func countersAndSetsReadAsWhatWasAdded() async throws {
    let cluster = try FakeCluster()
    let cloud = try await started(cluster)
    try await cloud.counter("visits").add(2)
    try await cloud.counter("visits").add(3)
    #expect(try await cloud.counter("visits").value() == 5)
    try await cloud.set("tags").add("red")
    #expect(try await cloud.set("tags").elements(as: String.self) == ["red"])
    #expect(try await cloud.get("absent", as: Int.self) == nil)
    await cloud.close()
    cluster.stop()
  }

  @Test func aKeyOfThePlatformIsRefusedBeforeItTravels() async throws {
    let cluster = try FakeCluster()
    let cloud = try await started(cluster)
    let reserved = await #expect(throws: CloudburstError.self) { try await cloud.put("_cb/x", 1) }
    #expect(reserved?.code == .keyReserved)
    let empty = await #expect(throws: CloudburstError.self) { try await cloud.delete("") }
    #expect(empty?.code == .keyInvalid)
    await cloud.close()
    cluster.stop()
  }

  @Test func aSlowReaderOfAWatchStillSeesTheLastState() async throws {
    let cluster = try FakeCluster()
    let cloud = try await started(cluster)
    let states = try cloud.watch("k", as: Int.self)
    for number in 1...100 { try await cloud.put("k", number) }
    // What is read from here on is what was kept for the reader: at most one state, and news.
    var seen = 0
    for try await state in states {
      seen += 1
      if state == 100 { break }
    }
    #expect(seen <= 3)
    await cloud.close()
    cluster.stop()
  }

  @Test func aWatchThatIsLetGoOfIsUnwatched() async throws {
    let cluster = try FakeCluster()
    let cloud = try await started(cluster)
    let task = Task { for try await _ in try cloud.watch("k", as: Int.self) {} }
    _ = await cluster.first { if case .watch = $0 { true } else { false } }
    task.cancel()
    #expect(await cluster.first { $0 == .unwatch } != nil)
    await cloud.close()
    cluster.stop()
  }

  @Test func aSubmittedCallIsWaitedForWithoutPolling() async throws {
    let cluster = try FakeCluster()
    let cloud = try await started(cluster)
    let future = try await cloud.submit("square", 5, returning: Int.self)
    let again = try cloud.future(id: future.id, as: Int.self)
    async let value = again.value()
    _ = await cluster.first { if case .watch = $0 { true } else { false } }
    var result = CallResult()
    result.give(try EncodedValue(25))
    cluster.post(.finish(try #require(InvocationID(future.id)), result))
    #expect(try await value == 25)
    #expect(try await future.value() == 25)
    await cloud.close()
    cluster.stop()
  }

  @Test func anUnknownFutureIsNotWaitedFor() async throws {
    let cluster = try FakeCluster()
    let cloud = try await started(cluster)
    let future = try cloud.future(id: String(repeating: "0", count: 32), as: Int.self)
    let error = await #expect(throws: CloudburstError.self) { try await future.value() }
    #expect(error?.code == .resultNotFound)
    await cloud.close()
    cluster.stop()
  }

  @Test func anUploadSendsOnlyWhatIsMissing() async throws {
    let cluster = try FakeCluster()
    let cloud = try await started(cluster)
    let bytes = [UInt8](repeating: 1, count: Limits.chunkBytesMax + 10)
    let last = Locked<UploadProgress?>(nil)
    let report = try await cloud.upload(bytes, named: "libx.so") { progress in
      last.withLock { $0 = progress }
    }
    #expect(report.bundle == "bundle")
    #expect(!report.isUnchanged)
    let progress = last.withLock { $0 }
    #expect(progress?.bytesSent == 10)
    #expect(progress?.bytesTotal == 10)
    await cloud.close()
    cluster.stop()
  }

  @Test func aDAGIsCalledWithInputsByFunction() async throws {
    let cluster = try FakeCluster()
    let cloud = try await started(cluster)
    let dag = try await cloud.register(DAG("pipeline") { "increment" => "square" })
    let result: Int = try await cloud.call(dag, ["increment": [4]])
    #expect(result == 16)
    await cloud.close()
    cluster.stop()
  }

  @Test func runExecutesOnTheClientsOwnThread() async throws {
    let cluster = try FakeCluster()
    let cloud = try await started(cluster)
    let threads = try await cloud.run {
      var threads: Set<Int32> = [currentThread()]
      for number in 0..<20 {
        let _: Int = try await cloud.call("square", number)
        threads.insert(currentThread())
      }
      return threads
    }
    #expect(threads.count == 1)
    let elsewhere = currentThread()
    #expect(!threads.contains(elsewhere))
    await cloud.close()
    cluster.stop()
  }

  @Test func aTaskOnTheClientsThreadOutlivesTheClient() async throws {
    let cluster = try FakeCluster()
    let cloud = try await started(cluster)
    let error = await #expect(throws: CloudburstError.self) {
      try await cloud.run {
        await cloud.close()
        let _: Int = try await cloud.call("square", 1)
      }
    }
    #expect(error?.code == .unavailable)
    cluster.stop()
  }

  @Test func closingFailsWhatIsOpen() async throws {
    let cluster = try FakeCluster()
    let cloud = try await started(cluster)
    let task = Task { try await cloud.call("nothing") }
    _ = await cluster.first { $0 == .call("nothing") }
    await cloud.close()
    let error = await #expect(throws: CloudburstError.self) { try await task.value }
    #expect(error?.code == .unavailable)
    cluster.stop()
  }
}

/// Also from code that may not block, which this does not.
private func currentThread() -> Int32 { currentThreadID() }
