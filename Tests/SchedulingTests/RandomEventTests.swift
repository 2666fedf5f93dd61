import ClusterModel
import Scheduling
import Testing
import WireProtocol

/// Drives a scheduler with random events: executors that finish, crash, refuse and come back,
/// releases in either order, cancels, clients that leave, messages lost, late and repeated.
@Suite struct RandomEventTests {
  @Test(arguments: 1...60 as ClosedRange<UInt64>)
  func everyCallEndsExactlyOnceAndQueuesAreBounded(seed: UInt64) {
    var world = RandomWorld(seed: seed)
    for _ in 0..<1500 { world.act() }
    world.settle()
    #expect(world.problems.isEmpty, "seed \(seed): \(world.problems.first ?? "")")
    #expect(world.driver.scheduler.inFlightCount == 0, "seed \(seed): calls are left over")
    #expect(world.driver.scheduler.parkedResultCount == 0, "seed \(seed): results are left over")
    #expect(world.answered == world.expected, "seed \(seed)")
    for number in world.accepted.sorted() {
      let id = InvocationID(high: 1, low: number)
      let store = world.driver.store
      #expect(
        store.payload(ReservedKeys.future(id)) != nil, "seed \(seed): \(number) has no future")
      #expect(
        store.payload(ReservedKeys.intent(id)) == nil, "seed \(seed): \(number) has an intent")
    }
    #expect(world.answered.count > 100, "seed \(seed): the events exercise nothing")
    #expect(world.heldMost == 3, "seed \(seed): no executor was ever given its credits")
  }

  @Test func theSameSeedGivesTheSameEffects() {
    var left = RandomWorld(seed: 7)
    var right = RandomWorld(seed: 7)
    for _ in 0..<300 {
      left.act()
      right.act()
    }
    #expect(left.history == right.history)
  }
}

struct RandomWorld {
  struct Running {
    let dispatch: Dispatched
    var finished = false
  }

  var driver: Driver
  var random: SplitMix64
  /// Calls that must be answered once: (client, number) as `number`.
  var expected: Set<UInt64> = []
  var answered: Set<UInt64> = []
  /// Submitted calls that the scheduler said it has taken.
  var accepted: Set<UInt64> = []
  var problems: [String] = []
  var history: [Scheduler.Effect] = []
  /// The most calls that an executor had at a time.
  private(set) var heldMost = 0
  private var nextNumber: UInt64 = 1
  private var running: [Running] = []
  private var parked: [Dispatched] = []
  private var old: [Dispatched] = []
  private var submitted: Set<UInt64> = []
  private var lives: [UInt32: UInt64] = [:]
  private var alive: [ExecutorID] = []
  private var unanswered: [(KeyRequest, UInt64)] = []
  private static let limits = {
    var limits = SchedulerLimits()
    limits.queuedCallsMax = 12
    limits.parkedResultsMax = 4
    limits.creditsPerExecutor = 3
    return limits
  }()

  init(seed: UInt64) {
    random = SplitMix64(seed: seed)
    driver = Driver(limits: Self.limits)
  }

  mutating func act() {
    switch Int.random(in: 0..<20, using: &random) {
    case 0..<5: call()
    case 5..<8: finish()
    case 8: crash()
    case 9, 10: attach()
    case 11, 12: release()
    case 13: cancel()
    case 14: repeatSomethingOld()
    case 15: refuse()
    case 16..<19: answerStore()
    default: driver.wait(.milliseconds(Int64.random(in: 1...400, using: &random)))
    }
    observe()
  }

  /// Everything that is still open ends by time alone, or by the store's answers.
  mutating func settle() {
    for _ in 0..<200 {
      driver.wait(.seconds(1))
      observe()
      while !unanswered.isEmpty { answerStore() }
      observe()
    }
  }

  private mutating func call() {
    let number = nextNumber
    nextNumber += 1
    var call = Call.to(
      "square", number, limit: .milliseconds(Int64.random(in: 1...3000, using: &random)))
    switch Int.random(in: 0..<6, using: &random) {
    case 0:
      call.submit = true
      submitted.insert(number)
    case 1: call.resultKey = Bytes(text: "key")
    default: break
    }
    expected.insert(number)
    let before = driver.scheduler.inFlightCount
    driver.call(call, number: number)
    // A call that was refused on arrival is over: repeated, it is another one.
    let isInFlight = driver.scheduler.inFlightCount > before
    if isInFlight, Int.random(in: 0..<8, using: &random) == 0 {
      driver.call(call, number: number)
    }
  }

  private mutating func finish() {
    guard let index = begun.randomElement(using: &random) else { return }
    let dispatch = running.remove(at: index).dispatch
    let awaits = Bool.random(using: &random)
    if awaits { parked.append(dispatch) }
    if awaits, Bool.random(using: &random) { release() }
    driver.finish(dispatch, awaitsRelease: awaits)
    old.append(dispatch)
  }

  /// Indices of the oldest dispatch of each executor: those it has begun.
  private var begun: [Int] {
    running.indices.filter { index in
      let executor = running[index].dispatch.executor
      return running.firstIndex { $0.dispatch.executor == executor } == index
    }
  }

  private mutating func crash() {
    guard !alive.isEmpty else { return }
    let id = alive.remove(at: Int.random(in: 0..<alive.count, using: &random))
    let code: ErrorCode = Bool.random(using: &random) ? .functionCrashed : .executorLost
    lose(id, cause: Failure(code, "it died"))
  }

  private mutating func lose(_ id: ExecutorID, cause: Failure) {
    let started = running.first { $0.dispatch.executor == id }?.dispatch.number
    running.removeAll { $0.dispatch.executor == id }
    driver.step(.executorLost(id, cause: cause, lastStarted: started))
  }

  /// The executor begins nothing but what it has begun.
  private mutating func recall(_ id: ExecutorID, upTo number: UInt64) {
    // One in four is lost: it is asked for again.
    guard alive.contains(id), Int.random(in: 0..<4, using: &random) > 0,
      let started = running.first(where: { $0.dispatch.executor == id })?.dispatch.number
    else { return }
    running.removeAll {
      $0.dispatch.executor == id && $0.dispatch.number > started && $0.dispatch.number <= number
    }
    driver.step(.recalled(id, started: started, upTo: number))
  }

  private mutating func attach() {
    let number = UInt32.random(in: 0..<3, using: &random)
    guard !alive.contains(where: { $0.number == number }) else { return }
    lives[number, default: 0] += 1
    alive.append(driver.attach(number, life: lives[number] ?? 1))
  }

  private mutating func release() {
    guard !parked.isEmpty else { return }
    let dispatch = parked.remove(at: Int.random(in: 0..<parked.count, using: &random))
    let failure = Int.random(in: 0..<5, using: &random) == 0 ? Failure(.lattice, "no") : nil
    driver.release(dispatch, failure: failure)
  }

  private mutating func cancel() {
    guard nextNumber > 1 else { return }
    let number = UInt64.random(
      in: max(1, nextNumber - min(nextNumber, 20))..<nextNumber, using: &random)
    driver.step(.cancel(InvocationID(high: 1, low: number), from: Driver.client))
  }

  private mutating func repeatSomethingOld() {
    guard let dispatch = old.randomElement(using: &random) else { return }
    driver.finish(dispatch)
    driver.release(dispatch)
  }

  private mutating func refuse() {
    guard !running.isEmpty else { return }
    let index = Int.random(in: 0..<running.count, using: &random)
    let dispatch = running.remove(at: index).dispatch
    let failure = Failure(.overloaded, "busy")
    driver.step(.refused(failure, number: dispatch.number, by: dispatch.executor))
  }

  private mutating func answerStore() {
    guard !unanswered.isEmpty else { return }
    let (request, number) = unanswered.remove(
      at: Int.random(in: 0..<unanswered.count, using: &random))
    let response = driver.store.answer(request)
    // One answer in ten is lost: the request comes again.
    guard Int.random(in: 0..<10, using: &random) > 0 else { return }
    driver.step(.stored(response, number: number))
    observe()
  }

  private mutating func observe() {
    // What an effect leads to is looked at before anything else happens.
    while !driver.effects.isEmpty {
      let effects = driver.effects
      driver.effects = []
      history += effects
      for effect in effects { take(effect) }
    }
    checkBounds()
  }

  private mutating func take(_ effect: Scheduler.Effect) {
    if let dispatch = Dispatched(effect) { start(dispatch) }
    if let answer = Answered(effect) { take(answer) }
    if let request = effect.storeRequest, !unanswered.contains(where: { $0.1 == request.1 }) {
      unanswered.append(request)
    }
    if case .kill(let id, _, _) = effect { kill(id) }
    if case .recall(let id, let upTo) = effect { recall(id, upTo: upTo) }
  }

  private mutating func start(_ dispatch: Dispatched) {
    if !alive.contains(dispatch.executor) { problems.append("a dead executor got a call") }
    let held = running.count { $0.dispatch.executor == dispatch.executor }
    if held >= Self.limits.creditsPerExecutor {
      problems.append("an executor got more calls than it has credits")
    }
    heldMost = max(heldMost, held + 1)
    running.append(Running(dispatch: dispatch))
  }

  private mutating func take(_ answer: Answered) {
    if !answered.insert(answer.number).inserted {
      // A repeated submit is told again that it was taken.
      if !submitted.contains(answer.number) {
        problems.append("call \(answer.number) was answered twice")
      }
    }
    if submitted.contains(answer.number), answer.code == nil { accepted.insert(answer.number) }
    if answer.result.awaitsRelease { problems.append("an unreleased result got out") }
  }

  private mutating func kill(_ id: ExecutorID) {
    guard let index = alive.firstIndex(of: id) else { return }
    // One order in four is lost: it comes again.
    guard Int.random(in: 0..<4, using: &random) > 0 else { return }
    alive.remove(at: index)
    lose(id, cause: Failure(.deadlineExceeded, "ended"))
  }

  private mutating func checkBounds() {
    let scheduler = driver.scheduler
    if scheduler.queuedCount > scheduler.queuedCallsBound {
      problems.append("\(scheduler.queuedCount) calls are queued")
    }
    // Every executor may still bring one when the limit is reached, and so may every future.
    let bound =
      Self.limits.parkedResultsMax + scheduler.queuedCallsBound + 3 * Self.limits.creditsPerExecutor
    if scheduler.parkedResultCount > bound {
      problems.append("\(scheduler.parkedResultCount) results are parked")
    }
  }
}
