/// What a figure has to reach.
struct Bar: Codable, Equatable {
  enum Side: String, Codable {
    case atMost
    case atLeast
  }

  let side: Side
  let limit: Double

  static func atMost(_ limit: Double) -> Bar { Bar(side: .atMost, limit: limit) }
  static func atLeast(_ limit: Double) -> Bar { Bar(side: .atLeast, limit: limit) }

  func isMet(by figure: Double) -> Bool {
    switch side {
    case .atMost: figure <= limit
    case .atLeast: figure >= limit
    }
  }
}

/// The bars on what one report says: on its value, on its ratio to the baseline, or on both.
struct Bars {
  var value: Bar?
  var ratio: Bar?

  /// Of every benchmark, by what its report calls the measure. None: the figure is for information.
  static func of(_ benchmark: String, _ measure: String, baseline: String) -> Bars {
    switch (benchmark, measure) {
    case ("noop", "p50, on the loop"): Bars(ratio: .atMost(1.3))
    case ("noop", "p50, ordinary task"): Bars(ratio: .atMost(1.4))
    case ("noop", _) where measure.hasPrefix("p99"): Bars(ratio: .atMost(1.5))
    case ("noop", "throughput, 64 in flight"):
      Bars(value: .atLeast(60_000), ratio: .atLeast(0.4))
    case ("compose", "p50, on the loop") where baseline == "no-op call": Bars(ratio: .atMost(1.2))
    case ("counter", "p50, durable"): Bars(ratio: .atMost(1))
    case ("counter", "throughput, durable, 64 in flight"): Bars(value: .atLeast(20_000))
    case ("counter", "throughput, in memory, 64 in flight"): Bars(value: .atLeast(40_000))
    case ("cache", "get of 64 bytes, same key"): Bars(value: .atMost(0.8))
    case ("cache", "get of 64 bytes, random of 100 000 keys"): Bars(value: .atMost(1.5))
    // Copying 8 MiB takes at least half a millisecond here.
    case ("cache", "look at 8 MiB in place"): Bars(value: .atMost(50))
    case ("idle", "processor time in 30 s"): Bars(value: .atMost(60))
    case ("footprint", "PSS of all processes"): Bars(value: .atMost(100))
    case ("footprint", "PSS of an executor with hello"): Bars(value: .atMost(15))
    case ("start", "cbctl dev, until ready"): Bars(value: .atMost(700))
    case ("start", "cbctl --help"): Bars(value: .atMost(25))
    case ("replacement", "reaped until hello is answered, p50"): Bars(value: .atMost(15))
    case ("kv", _): ofKeys(measure)
    case ("tier", _) where baseline == "uniform": Bars(ratio: .atLeast(0.8))
    case ("tier", _) where measure.hasPrefix("copies equal"): Bars(value: .atMost(200))
    default: Bars()
    }
  }

  private static func ofKeys(_ measure: String) -> Bars {
    switch measure {
    case _ where measure.hasSuffix("raw client, p50"): Bars(ratio: .atMost(1.1))
    case _ where measure.hasSuffix("SDK on its loop, p50"): Bars(ratio: .atMost(1.35))
    case _ where measure.hasPrefix("PUT to a cold"),
      _ where measure.hasPrefix("durable PUT to a cold"):
      Bars(ratio: .atMost(2))
    case _ where measure.hasPrefix("GET of a hot key beside"): Bars(ratio: .atMost(1.5))
    case _ where measure.contains("in flight, "): Bars(ratio: .atLeast(0.65))
    case _ where measure.hasSuffix("in batches of 16 keys"):
      Bars(value: .atLeast(1_500_000), ratio: .atLeast(1))
    case "durable PUT, 1000 in flight": Bars(value: .atLeast(80_000))
    case "GET at half of the throughput, p99.9": Bars(value: .atMost(10))
    case "GET at half of the throughput, longest": Bars(value: .atMost(20))
    case "GET beside writes of 50 MB, p99": Bars(ratio: .atMost(3))
    case "memory a key beyond its bytes, 1 M keys of 16 + 64 B": Bars(value: .atMost(112))
    default: Bars()
    }
  }
}
