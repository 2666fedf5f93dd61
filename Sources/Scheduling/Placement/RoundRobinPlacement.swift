/// The executors in turn, passing over those without a credit.
package struct RoundRobinPlacement: PlacementPolicy {
  private var last = -1

  package init() {}

  package mutating func place(
    _ call: FunctionCall, on view: ClusterView, using random: inout some RandomNumberGenerator
  ) -> Placement {
    guard let first = view.ready.min() else { return .wait(view.shortage) }
    let next = view.ready.filter { $0 > last }.min() ?? first
    last = next
    return .place(next, because: .turn(of: next))
  }
}
