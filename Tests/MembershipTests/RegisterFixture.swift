import ClusterModel
import Membership
import WireProtocol

/// A register, its clock and its disk, driven by hand.
struct RegisterFixture {
  var register: MemberRegister
  /// Milliseconds.
  var now: UInt64 = 1_000_000
  var disk: MembershipState?
  var diskIsFull = false
  var announced: [RingView] = []
  var effects: [MemberRegister.Effect] = []
  private let configuration: MembershipConfiguration

  init(
    expected: Int = 1, copies: Int = 2, keepingLogs: Bool = true, state: MembershipState? = nil
  ) {
    var configuration = MembershipConfiguration()
    configuration.storageNodesExpected = expected
    configuration.copies = copies
    configuration.holdersKeepLogs = keepingLogs
    self.configuration = configuration
    disk = state
    register = MemberRegister(
      configuration, from: state, at: .init(monotonic: 1_000_000 * 1_000_000, wall: 1_000_000))
  }

  /// The router is killed and started again at once.
  mutating func restart(losingDisk: Bool = false) {
    if losingDisk { disk = nil }
    register = MemberRegister(
      configuration, from: disk, at: .init(monotonic: now * 1_000_000, wall: now))
  }

  mutating func step(_ input: MemberRegister.Input) {
    var pending: [MemberRegister.Input] = [input]
    effects = []
    while let next = pending.popLast() {
      var new: [MemberRegister.Effect] = []
      register.step(next, at: .init(monotonic: now * 1_000_000, wall: now), into: &new)
      for effect in new {
        if case .persist(let state) = effect {
          if !diskIsFull { disk = state }
          pending.append(diskIsFull ? .notPersisted(reason: "full") : .persisted)
        }
        if case .announce(let ring) = effect { announced.append(ring) }
      }
      effects += new
    }
  }

  /// - Returns: the answer: nil for a refusal.
  @discardableResult
  mutating func report(
    _ name: String, _ life: UInt64, role: PeerRole = .storage, ring: RingView? = nil,
    settled: UInt64 = 0, leaving: Bool = false, shards: Int = 1, clock: UInt64? = nil
  ) -> Lease? {
    var report = MemberReport()
    report.role = role
    report.name = name
    report.incarnation = Incarnation(life)
    report.endpoints = (0..<shards).map { "ipc:///\(name)-\(life)-\($0)" }
    report.ring = RingMessage(ring ?? (announced.last ?? .none))
    report.settledEpoch = settled
    report.isLeaving = leaving
    report.wallClock = clock ?? now
    step(.report(report, number: 7, from: Self.peer(name, life)))
    for case .lease(let lease, 7, _) in effects { return lease }
    return nil
  }

  static func peer(_ name: String, _ life: UInt64) -> PeerID { PeerID("\(name)#\(life)") }

  var refusal: ErrorCode? {
    for case .refuse(let failure, _, _) in effects { return failure.code }
    return nil
  }

  /// Time passes in steps of half a second; the living report, as members do.
  mutating func pass(_ milliseconds: UInt64, reporting living: [(String, UInt64)] = []) {
    var left = milliseconds
    while left > 0 {
      let step = min(left, 500)
      now += step
      left -= step
      self.step(.timer)
      for (name, life) in living { report(name, life, settled: settledEpochs[name] ?? 0) }
    }
  }

  /// What members say in `pass`.
  var settledEpochs: [String: UInt64] = [:]

  /// Two nodes, life 1 each, settled.
  static func ofTwo() -> RegisterFixture {
    var fixture = RegisterFixture(expected: 2)
    fixture.report("a", 1)
    fixture.report("b", 1)
    return fixture
  }

  mutating func settle(_ living: [(String, UInt64)]) {
    let epoch = register.ring.epoch
    for (name, life) in living {
      settledEpochs[name] = epoch
      report(name, life, settled: epoch)
    }
  }

  var ring: RingView { register.ring }
}

extension RingView {
  var placedNames: [String] { Array(Set(ring.members.map(\.name))).sorted() }
  var holderLives: [String] { holders.map { "\($0.member.name)\($0.incarnation)" } }
  func life(_ name: String) -> UInt64? {
    shards.first { $0.member.name == name }?.incarnation.number
  }
}
