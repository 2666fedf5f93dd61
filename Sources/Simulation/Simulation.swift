/// One run of a whole cluster in virtual time, from one seed: clients, scheduler, node agents with
/// their caches, executors, a storage shard with its log, and what goes wrong between them.
package enum Simulation {
  /// Runs until everything has healed and was checked, or until the first broken promise.
  package static func run(_ options: SimulationOptions) -> SimulationReport {
    let world = World(options)
    let cluster = VirtualCluster(in: world, options)
    cluster.run()
    return cluster.report(options)
  }
}

package struct SimulationOptions: Sendable {
  package var seed: UInt64
  /// Virtual time for which clients work before everything heals.
  package var workTime = Duration.seconds(4)
  /// Without it, clients and the store alone.
  package var hasCompute = true
  package var planted: PlantedBug?
  /// Whether the report has the history as lines: many megabytes.
  package var keepsTrace = false

  package init(seed: UInt64) { self.seed = seed }
}

/// What a run was like. The same seed and options give an equal report, in every process.
package struct SimulationReport: Equatable, Sendable {
  package let seed: UInt64
  /// Of every event: what happened when, and the bytes of every frame.
  package let traceHash: UInt64
  package let violations: [Violation]
  /// Nanoseconds of virtual time.
  package let virtualTime: UInt64
  package let events: UInt64
  package let frames: UInt64
  package let lostFrames: UInt64
  package let faults: Int
  /// Requests of clients that succeeded, and those that did not.
  package let acknowledged: Int
  package let failed: Int
  package let trace: [String]
}
