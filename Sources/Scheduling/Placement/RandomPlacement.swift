/// Any executor with a credit, each as likely: the baseline the others are compared with.
package struct RandomPlacement: PlacementPolicy {
  package init() {}

  package func place(
    _ call: FunctionCall, on view: ClusterView, using random: inout some RandomNumberGenerator
  ) -> Placement {
    guard !view.ready.isEmpty else { return .wait(view.shortage) }
    let choice = Int.random(in: 0..<view.ready.count, using: &random)
    return .place(view.ready[choice], because: .random(among: view.ready.count))
  }
}
