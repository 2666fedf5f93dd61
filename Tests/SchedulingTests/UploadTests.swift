import ClusterModel
import Scheduling
import Testing
import WireProtocol

@Suite struct UploadTests {
  private let digest = Driver.digest(2)
  private let bytes = Bytes(repeating: 7, count: Limits.chunkBytesMax + 10)

  private func described(_ functions: [String], bundle: String = "text") -> BundleRecord {
    var record = BundleRecord()
    record.name = bundle
    record.functions = functions.map { .test($0, 1, bundle: bundle) }
    return record
  }

  private func chunk(_ number: Int) -> RegistryRequest {
    let start = number * Limits.chunkBytesMax
    let end = min(start + Limits.chunkBytesMax, bytes.count)
    return .uploadChunk(digest: digest, number: UInt32(number), data: bytes[start..<end])
  }

  private func begin(_ driver: inout Driver) -> RegistryAnswer? {
    driver.ask(
      .uploadBegin(digest: digest, byteCount: UInt64(bytes.count), fileName: "libtext.so"))
  }

  /// The whole upload; a probe answers with `record`.
  private func upload(_ record: BundleRecord, to driver: inout Driver) -> RegistryAnswer? {
    _ = begin(&driver)
    for number in 0..<2 { _ = driver.ask(chunk(number)) }
    return commit(record, to: &driver)
  }

  private func commit(_ record: BundleRecord, to driver: inout Driver) -> RegistryAnswer? {
    if let answer = driver.ask(.uploadCommit(digest: digest)) { return answer }
    guard let number = takeProbe(&driver) else { return nil }
    driver.step(.bundleProbed(record, number: number))
    driver.answerStore()
    return driver.takeRegistryAnswers().last
  }

  private func takeProbe(_ driver: inout Driver) -> UInt64? {
    for (index, effect) in driver.effects.enumerated() {
      guard case .probe(_, let number) = effect else { continue }
      driver.effects.remove(at: index)
      return number
    }
    return nil
  }

  @Test func anUploadRegistersItsFunctions() throws {
    var driver = Driver()
    #expect(begin(&driver) == .uploadOpen(present: []))
    #expect(driver.ask(chunk(0)) == .done)
    #expect(driver.ask(chunk(1)) == .done)
    guard case .uploaded(let result) = commit(described(["count", "split"]), to: &driver) else {
      Issue.record("the upload did not end")
      return
    }
    #expect(result.functions.map(\.name) == ["count", "split"])
    #expect(!result.unchanged)
    _ = driver.attach(0)
    driver.call(.to("count", 1), number: 1)
    #expect(try #require(driver.takeDispatches().first).dispatch.stages[0].bundle == digest)
  }

  @Test func theNodeFindsHowManyChunksThereAreBeforeItProbes() throws {
    var driver = Driver()
    _ = begin(&driver)
    let digest = try #require(ContentDigest(digest))
    let record = try #require(driver.store.payload(ReservedKeys.bundle(digest)))
    #expect(try BundleRecord.decode(record).chunks == 2)
  }

  @Test func anInterruptedUploadSendsOnlyWhatIsMissing() {
    var driver = Driver()
    _ = begin(&driver)
    _ = driver.ask(chunk(1))
    #expect(begin(&driver) == .uploadOpen(present: [1]))
  }

  @Test func uploadOfTheSameBytesIsUnchanged() throws {
    var driver = Driver()
    _ = upload(described(["count"]), to: &driver)
    let version = driver.scheduler.registry.version
    guard case .uploadComplete(let result) = begin(&driver) else {
      Issue.record("the same bytes were not recognised")
      return
    }
    #expect(result.unchanged)
    #expect(result.functions.map(\.name) == ["count"])
    #expect(driver.scheduler.registry.version == version)
  }

  @Test func aMissingChunkIsNamed() {
    var driver = Driver()
    _ = begin(&driver)
    _ = driver.ask(chunk(1))
    guard case .failure(let failure) = commit(described(["count"]), to: &driver) else {
      Issue.record("a torn upload was taken")
      return
    }
    #expect(failure.code == .badRequest)
    #expect(failure.message.contains("the first is 0"))
  }

  @Test func aChunkOfAnotherLengthIsRefused() {
    var driver = Driver()
    _ = begin(&driver)
    let answer = driver.ask(.uploadChunk(digest: digest, number: 1, data: [1, 2, 3]))
    guard case .failure(let failure) = answer else {
      Issue.record("the chunk was taken")
      return
    }
    #expect(failure.code == .badRequest)
  }

  @Test func aFunctionNameOfAnotherBundleIsAConflict() {
    var driver = Driver()
    guard case .failure(let failure) = upload(described(["square"]), to: &driver) else {
      Issue.record("the name was taken away")
      return
    }
    #expect(failure.code == .conflict)
    #expect(failure.message.contains("arithmetic"))
    #expect(driver.scheduler.registry.function("square")?.bundleName == "arithmetic")
  }

  @Test func aNewUploadOfABundleReplacesItAndWhatVanishedIsGone() throws {
    var driver = Driver()
    guard
      case .uploaded(let result) = upload(
        described(["square"], bundle: "arithmetic"), to: &driver)
    else {
      Issue.record("the upload did not end")
      return
    }
    #expect(result.replaced == ["add", "square"])
    #expect(driver.scheduler.registry.function("square")?.bundle == digest)
    #expect(driver.scheduler.registry.function("add") == nil)
    let restarted = Driver(store: driver.store, incarnation: 6)
    #expect(restarted.scheduler.registry.functions(prefix: "").map(\.name) == ["square"])
  }

  @Test func versionsResolvedAtAcceptanceSurviveAnUpload() throws {
    var driver = Driver()
    driver.call(.to("square", 1), number: 1)
    let accepted = driver.scheduler.registry.version
    _ = upload(described(["square", "add"], bundle: "arithmetic"), to: &driver)
    _ = driver.attach(0)
    let first = try #require(driver.takeDispatches().first)
    #expect(first.dispatch.stages[0].bundle == Driver.digest)
    #expect(first.header.registryVersion == accepted)
    driver.step(.executorLost(first.executor, cause: Failure(.executorLost, "killed")))
    _ = driver.attach(0, life: 2)
    let second = try #require(driver.takeDispatches().first)
    #expect(second.dispatch.stages[0].bundle == Driver.digest, "its retries keep them")
  }

  @Test func theRegistrysVersionCountsItsChanges() {
    var driver = Driver()
    let before = driver.scheduler.registry.version
    _ = upload(described(["count"]), to: &driver)
    #expect(driver.scheduler.registry.version == before + 1)
  }

  @Test func aBundleThatCannotBeLoadedIsRefusedAndForgotten() throws {
    var driver = Driver()
    var broken = BundleRecord()
    broken.failure = Failure(.bundleInvalid, "no entry point")
    guard case .failure(let failure) = upload(broken, to: &driver) else {
      Issue.record("a broken bundle was taken")
      return
    }
    #expect(failure.code == .bundleInvalid)
    driver.answerStore()
    #expect(begin(&driver) == .uploadOpen(present: []))
  }

  @Test func aProbeThatNobodyAnswersTimesOut() {
    var driver = Driver()
    _ = begin(&driver)
    for number in 0..<2 { _ = driver.ask(chunk(number)) }
    #expect(driver.ask(.uploadCommit(digest: digest)) == nil)
    driver.wait(SchedulerLimits().probeTimeLimit)
    guard case .failure(let failure) = driver.takeRegistryAnswers().last else {
      Issue.record("the commit hangs")
      return
    }
    #expect(failure.code == .timedOut)
  }

  @Test func changesOfTheRegistryWaitForEachOther() throws {
    var driver = Driver()
    _ = begin(&driver)
    for number in 0..<2 { _ = driver.ask(chunk(number)) }
    #expect(driver.ask(.uploadCommit(digest: digest)) == nil)
    var dag = DAGRecord()
    dag.name = "counting"
    dag.functions = ["count"]
    driver.step(.registry(.putDAG(dag), number: 901, from: Driver.client))
    driver.answerStore()
    #expect(driver.takeRegistryAnswers().isEmpty, "the function is not there yet")
    let number = try #require(takeProbe(&driver))
    driver.step(.bundleProbed(described(["count"]), number: number))
    driver.answerStore()
    #expect(driver.takeRegistryAnswers().last == .done)
  }

  @Test func aBadFunctionNameIsRefused() {
    var driver = Driver()
    guard case .failure(let failure) = upload(described(["a b"]), to: &driver) else {
      Issue.record("the name was taken")
      return
    }
    #expect(failure.code == .nameInvalid)
  }

  @Test func whatAVanishedClientSentIsDeletedAndALaterUploadWorks() throws {
    var driver = Driver()
    let digest = try #require(ContentDigest(digest))
    _ = begin(&driver)
    _ = driver.ask(chunk(0))
    driver.step(.clientGone(Driver.client))
    #expect(driver.store.payload(ReservedKeys.bundleChunk(digest, 0)) != nil)
    driver.wait(SchedulerLimits().quietUploadTimeLimit)
    driver.answerStore()
    #expect(driver.store.payload(ReservedKeys.bundleChunk(digest, 0)) == nil)
    #expect(driver.store.payload(ReservedKeys.bundle(digest)) == nil)
    guard case .uploaded = upload(described(["count"]), to: &driver) else {
      Issue.record("the later upload failed")
      return
    }
  }

  @Test func givingUpAnUploadLeavesTheBytesOfAnOlderVersion() throws {
    var driver = Driver()
    let digest = try #require(ContentDigest(digest))
    _ = upload(described(["count"]), to: &driver)
    let newer = Driver.digest(3)
    _ = driver.ask(.uploadBegin(digest: newer, byteCount: 1, fileName: "newer.so"))
    _ = driver.ask(.uploadChunk(digest: newer, number: 0, data: [1]))
    _ = driver.ask(.uploadCommit(digest: newer))
    let number = try #require(takeProbe(&driver))
    driver.step(.bundleProbed(described(["count"]), number: number))
    driver.answerStore()
    // Calls accepted before still run the older one.
    #expect(begin(&driver) == .uploadOpen(present: [0, 1]))
    driver.wait(SchedulerLimits().quietUploadTimeLimit)
    driver.answerStore()
    #expect(driver.store.payload(ReservedKeys.bundleChunk(digest, 0)) != nil)
  }

  @Test func oneUploadTooManyMakesTheQuietestGiveWay() throws {
    var driver = Driver()
    let first = try #require(ContentDigest(digest))
    _ = begin(&driver)
    _ = driver.ask(chunk(0))
    for number in 0..<SchedulerLimits().openUploadsMax {
      let other = Bytes(repeating: UInt8(100 + number), count: 32)
      _ = driver.ask(.uploadBegin(digest: other, byteCount: 1, fileName: "other.so"))
    }
    driver.answerStore()
    #expect(driver.store.payload(ReservedKeys.bundleChunk(first, 0)) == nil)
    #expect(begin(&driver) == .uploadOpen(present: []))
  }

  @Test func anOversizedBundleIsRefusedBeforeItIsSent() {
    var driver = Driver()
    let answer = driver.ask(
      .uploadBegin(digest: digest, byteCount: 1 << 40, fileName: "huge.so"))
    guard case .failure(let failure) = answer else {
      Issue.record("it was begun")
      return
    }
    #expect(failure.code == .bundleInvalid)
  }
}
