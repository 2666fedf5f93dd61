import ClusterModel
import Membership
import Testing
import WireProtocol

/// Random histories of joins, leaves, deaths, settling, restarts and stops, against what must hold in
/// all of them.
@Suite struct MemberRegisterHistoryTests {
  @Test(arguments: 1...40) func anyHistoryKeepsTheRules(seed: UInt64) {
    var history = RandomHistory(seed: seed)
    for number in 0..<300 {
      history.act()
      #expect(history.complaints.isEmpty, "seed \(seed), action \(number)")
      if !history.complaints.isEmpty { return }
    }
    #expect(history.fixture.announced.count > 5, "seed \(seed): nothing happened")
  }
}

private struct RandomHistory {
  var fixture = RegisterFixture(expected: 2)
  var complaints: [String] = []
  private var random: SplitMix64
  private var lives: [String: UInt64] = [:]
  private var leaving: Set<String> = []
  private var settled: [String: UInt64] = [:]
  private var ended: Set<String> = []
  private var lastLife: UInt64 = 0
  private var judged = 0
  private let names = ["a", "b", "c", "d"]

  init(seed: UInt64) { random = SplitMix64(seed: seed) }

  mutating func act() {
    let name = names[Int.random(in: 0..<4, using: &random)]
    switch Int.random(in: 0..<100, using: &random) {
    case ..<12: begin(name)
    case ..<18: end(name)
    case ..<22: if lives[name] != nil { leaving.insert(name) }
    case ..<45: settled[name] = fixture.ring.epoch
    case ..<47: fixture.restart()
    case ..<48: if allKnow { loseDisk() }
    case ..<52: tryFenced()
    default: pass()
    }
    judge()
  }

  /// A disk may only be lost where somebody knows the newest ring.
  private var allKnow: Bool { fixture.ring.nodesLive(lives) && fixture.register.isServing }

  /// With the disk go the fences of lives that no ring names any more.
  private mutating func loseDisk() {
    fixture.restart(losingDisk: true)
    ended = []
  }

  private mutating func begin(_ name: String) {
    end(name)
    lastLife += 1
    lives[name] = lastLife
    settled[name] = 0
    report(name)
  }

  private mutating func end(_ name: String) {
    guard let life = lives.removeValue(forKey: name) else { return }
    leaving.remove(name)
    // Others were never believed in by a ring, and a membership that was restarted forgot them.
    if fixture.announced.contains(where: { $0.life(name) == life }) {
      ended.insert("\(name)/\(life)")
    }
  }

  private mutating func report(_ name: String) {
    guard let life = lives[name] else { return }
    let lease = fixture.report(
      name, life, ring: fixture.announced.last ?? RingView.none, settled: settled[name] ?? 0,
      leaving: leaving.contains(name))
    if lease == nil {
      if fixture.refusal != .fenced { complaints.append("\(name)/\(life) is refused") }
      end(name)
    } else if lease?.mayLeave == true {
      end(name)
    }
  }

  private mutating func pass() {
    for _ in 0..<Int.random(in: 1...8, using: &random) {
      fixture.now += 500
      fixture.step(.timer)
      for name in lives.keys.sorted() where Int.random(in: 0..<10, using: &random) > 0 {
        report(name)
      }
    }
  }

  /// Old lives are heard again only to learn that they are over.
  private mutating func tryFenced() {
    guard let old = ended.sorted().randomElement(using: &random) else { return }
    let parts = old.split(separator: "/")
    guard let life = UInt64(parts[1]), let now = lives[String(parts[0])], life < now else { return }
    if fixture.report(String(parts[0]), life) != nil { complaints.append("\(old) came back") }
  }

  private mutating func judge() {
    while judged + 1 < fixture.announced.count {
      let (before, after) = (fixture.announced[judged], fixture.announced[judged + 1])
      judged += 1
      if before == after { continue }
      if after.epoch <= before.epoch {
        complaints.append("epoch \(before.epoch) to \(after.epoch)")
      }
      if after.ring.members.isEmpty { complaints.append("nobody holds the keys") }
      if !before.isSettled, !after.isSettled, !isKept(before.holders, in: after.holders) {
        complaints.append("holders \(before.holders) became \(after.holders)")
      }
      if !before.isSettled, after.isSettled {
        let epochs = before.placedNames.map { settled[$0] ?? 0 }
        if epochs.contains(where: { $0 < before.epoch }) { complaints.append("settled too early") }
      }
      if before.isSettled, !after.isSettled {
        let placed = before.ring.members.map { "\($0.name)\(before.shard($0)!.incarnation)" }
        if placed != after.holderLives { complaints.append("\(placed) are not the holders") }
      }
    }
  }
}

extension RingView {
  fileprivate func nodesLive(_ lives: [String: UInt64]) -> Bool {
    !shards.isEmpty && shards.allSatisfy { lives[$0.member.name] == $0.incarnation.number }
  }
}

/// In a change the holders stay whom they were, and are overtaken by more and more.
private func isKept(_ before: [RingView.Holder], in after: [RingView.Holder]) -> Bool {
  before.count == after.count
    && zip(before, after).allSatisfy { old, new in
      old.member == new.member && old.incarnation == new.incarnation
        && Set(old.overtakenBy).isSubset(of: new.overtakenBy)
    }
}
