import ClusterModel
import Scheduling
import Testing

@Suite struct PlacementTests {
  private let call = FunctionCall(function: "square", bundle: [])

  private func view(_ outstanding: [Int], ready: [Int]) -> ClusterView {
    let loads = outstanding.enumerated().map { index, count in
      let id = ExecutorID(
        node: NodeID("n1"), number: UInt32(index), incarnation: Incarnation(1))
      return ClusterView.Load(
        executor: id, outstanding: count, isReady: ready.contains(index))
    }
    return ClusterView(places: loads, ready: ready, attached: outstanding.count)
  }

  @Test(arguments: PlacementPolicyName.allCases)
  func withoutAReadyExecutorTheCallWaits(_ name: PlacementPolicyName) {
    var policy = name.policy
    var random = SplitMix64(seed: 1)
    let busy = policy.place(call, on: view([1, 1], ready: []), using: &random)
    #expect(busy == .wait(.allSaturated(executors: 2)))
    let none = policy.place(call, on: view([], ready: []), using: &random)
    #expect(none == .wait(.noExecutor))
  }

  @Test(arguments: PlacementPolicyName.allCases)
  func onlyReadyExecutorsAreChosen(_ name: PlacementPolicyName) {
    var policy = name.policy
    var random = SplitMix64(seed: 2)
    let view = view([0, 1, 0, 1, 0], ready: [4, 0, 2])
    for _ in 0..<100 {
      guard case .place(let place, _) = policy.place(call, on: view, using: &random) else {
        Issue.record("an executor was ready")
        return
      }
      #expect([0, 2, 4].contains(place))
    }
  }

  @Test func ofTwoDrawnTheLessLoadedIsChosen() {
    var random = SplitMix64(seed: 3)
    var policy = LeastOutstandingPlacement()
    for _ in 0..<20 {
      let placement = policy.place(call, on: view([3, 1], ready: [0, 1]), using: &random)
      #expect(placement == .place(1, because: .leastOutstanding(1, over: 3)))
    }
  }

  @Test func anIdleExecutorThatRanTheLastCallIsTakenAgain() {
    var random = SplitMix64(seed: 6)
    var policy = LeastOutstandingPlacement()
    let idle = view([0, 0, 0, 0], ready: [0, 1, 2, 3])
    guard case .place(let first, _) = policy.place(call, on: idle, using: &random) else {
      Issue.record("an executor was ready")
      return
    }
    for _ in 0..<20 {
      let next = policy.place(call, on: idle, using: &random)
      #expect(next == .place(first, because: .idleAndWarm))
    }
    var busy = [0, 0, 0, 0]
    busy[first] = 1
    for _ in 0..<20 {
      let next = policy.place(call, on: view(busy, ready: [0, 1, 2, 3]), using: &random)
      #expect(next != .place(first, because: .idleAndWarm))
    }
  }

  @Test func anExecutorThatTakesNoCallsIsNotTakenAgain() {
    var random = SplitMix64(seed: 7)
    var policy = LeastOutstandingPlacement()
    let alone = policy.place(call, on: view([0, 0], ready: [1]), using: &random)
    #expect(alone == .place(1, because: .onlyOneReady))
    let other = policy.place(call, on: view([0, 0], ready: [0]), using: &random)
    #expect(other == .place(0, because: .onlyOneReady))
  }

  @Test func roundRobinGivesEachItsTurn() {
    var policy = RoundRobinPlacement()
    var random = SplitMix64(seed: 4)
    let view = view([0, 0, 0], ready: [2, 0, 1])
    let turns = (0..<6).map { _ in policy.place(call, on: view, using: &random) }
    #expect(turns == [0, 1, 2, 0, 1, 2].map { .place($0, because: .turn(of: $0)) })
  }

  @Test func theSameSeedPlacesTheSame() {
    let view = view([0, 0, 0, 0], ready: [0, 1, 2, 3])
    var left = SplitMix64(seed: 5)
    var right = SplitMix64(seed: 5)
    let policy = RandomPlacement()
    for _ in 0..<50 {
      #expect(
        policy.place(call, on: view, using: &left) == policy.place(call, on: view, using: &right))
    }
  }
}
