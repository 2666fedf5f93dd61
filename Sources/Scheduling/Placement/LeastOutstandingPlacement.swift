/// The less loaded of two executors drawn at random ("the power of two choices"): nearly as even as
/// looking at all of them, and schedulers that do not know of each other do not all pick the same.
package struct LeastOutstandingPlacement: PlacementPolicy {
  package init() {}

  package func place(
    _ call: FunctionCall, on view: ClusterView, using random: inout some RandomNumberGenerator
  ) -> Placement {
    guard let only = view.ready.first else { return .wait(view.shortage) }
    let count = view.ready.count
    guard count > 1 else { return .place(only, because: .onlyOneReady) }
    let firstDraw = Int.random(in: 0..<count, using: &random)
    var secondDraw = Int.random(in: 0..<(count - 1), using: &random)
    // The second is drawn from the others, so the two always differ.
    if secondDraw >= firstDraw { secondDraw += 1 }
    let (first, second) = (view.ready[firstDraw], view.ready[secondDraw])
    let (load, otherLoad) = (view.places[first].outstanding, view.places[second].outstanding)
    if load == otherLoad { return .place(first, because: .equallyLoaded(load)) }
    return load < otherLoad
      ? .place(first, because: .leastOutstanding(load, over: otherLoad))
      : .place(second, because: .leastOutstanding(otherLoad, over: load))
  }
}
