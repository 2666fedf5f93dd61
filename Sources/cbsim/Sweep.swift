import ArgumentParser
import Simulation

/// `1..500`, both ends included.
struct SeedRange: ExpressibleByArgument {
  let seeds: ClosedRange<UInt64>

  init?(argument: String) {
    let ends = argument.split(separator: ".", omittingEmptySubsequences: true)
    guard let first = ends.first.flatMap({ UInt64($0) }), ends.count <= 2,
      let last = ends.last.flatMap({ UInt64($0) }), first <= last
    else { return nil }
    seeds = first...last
  }
}

struct Sweep: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Run many seeds and name those that broke a promise.",
    discussion: """
      Examples:
        cbsim sweep --seeds 1..500 --jobs 2
        cbsim sweep --seeds 1..2000 --stop-at-first
        cbsim sweep --seeds 1..100 --store-only -o json
      """)

  @Option(help: "As in 1..500, both ends included.")
  var seeds: SeedRange

  @Option(help: "Seeds that run at the same time.")
  var jobs: Int = 2

  @Flag(help: "End with the first seed that breaks a promise.")
  var stopAtFirst = false

  @OptionGroup var world: WorldOptions

  func validate() throws {
    guard (1...1024).contains(jobs) else {
      throw ValidationError("--jobs is from 1 to 1024, not \(jobs)")
    }
  }

  func run() async throws {
    var summary = Summary()
    let world = world
    await withTaskGroup(of: SimulationReport.self) { group in
      var waiting = seeds.seeds.makeIterator()
      for _ in 0..<jobs {
        if let seed = waiting.next() {
          group.addTask { Simulation.run(world.simulation(of: seed)) }
        }
      }
      for await report in group {
        summary.take(report)
        if world.output == .text { tell(report, summary) }
        guard !stopAtFirst || summary.broken.isEmpty, let seed = waiting.next() else { continue }
        group.addTask { Simulation.run(world.simulation(of: seed)) }
      }
    }
    switch world.output {
    case .text: print(summary.text)
    case .json: print(summary.json)
    }
    guard summary.broken.isEmpty else { throw ExitCode(1) }
  }

  private func tell(_ report: SimulationReport, _ summary: Summary) {
    if let first = report.violations.first {
      print("seed \(report.seed): \(first.oracle.rawValue): \(first.text)")
      print("  replay: \(world.replay(of: report.seed))")
    } else if summary.runs.isMultiple(of: 100) {
      print("\(summary.runs) of \(seeds.seeds.count) seeds")
    }
  }
}

struct Summary {
  private(set) var runs = 0
  /// Seeds that broke a promise.
  private(set) var broken: [UInt64] = []
  private var virtualNanoseconds: UInt64 = 0
  private var events: UInt64 = 0
  private var frames: UInt64 = 0
  private var faults = 0
  private var acknowledged = 0
  private var failed = 0

  mutating func take(_ report: SimulationReport) {
    runs += 1
    if !report.violations.isEmpty { broken.append(report.seed) }
    virtualNanoseconds += report.virtualTime
    events += report.events
    frames += report.frames
    faults += report.faults
    acknowledged += report.acknowledged
    failed += report.failed
  }

  var text: String {
    let seeds = broken.sorted().map(String.init).joined(separator: ", ")
    let verdict =
      broken.isEmpty
      ? "every promise was kept" : "\(broken.count) seeds broke a promise: \(seeds)"
    return "\(runs) seeds, \(virtualNanoseconds / 1_000_000_000) virtual seconds, "
      + "\(events) events, \(frames) frames, \(faults) faults, \(acknowledged) requests "
      + "succeeded and \(failed) failed: \(verdict)"
  }

  var json: String {
    JSONText.object([
      ("seeds", "\(runs)"),
      ("broken", "[" + broken.sorted().map(String.init).joined(separator: ",") + "]"),
      ("virtualSeconds", "\(virtualNanoseconds / 1_000_000_000)"),
      ("events", "\(events)"), ("frames", "\(frames)"), ("faults", "\(faults)"),
      ("acknowledged", "\(acknowledged)"), ("failed", "\(failed)"),
    ])
  }
}
