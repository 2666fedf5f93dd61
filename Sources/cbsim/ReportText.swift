import Simulation

extension SimulationReport {
  var text: String {
    var lines = [
      "seed \(seed): \(virtualTime / 1_000_000_000) virtual seconds, \(events) events, "
        + "\(frames) frames (\(lostFrames) lost), \(faults) faults",
      "requests: \(acknowledged) succeeded, \(failed) failed",
      "trace: \(String(traceHash, radix: 16))",
    ]
    for violation in violations {
      let millis = violation.time / 1_000_000
      lines.append("BROKEN at \(millis) ms: \(violation.oracle.rawValue): \(violation.text)")
    }
    if violations.isEmpty { lines.append("every promise was kept") }
    return lines.joined(separator: "\n")
  }

  var json: String {
    let broken = violations.map { violation in
      JSONText.object([
        ("oracle", JSONText.string(violation.oracle.rawValue)),
        ("nanoseconds", "\(violation.time)"), ("text", JSONText.string(violation.text)),
      ])
    }
    return JSONText.object([
      ("seed", "\(seed)"), ("trace", JSONText.string(String(traceHash, radix: 16))),
      ("virtualNanoseconds", "\(virtualTime)"), ("events", "\(events)"), ("frames", "\(frames)"),
      ("lostFrames", "\(lostFrames)"), ("faults", "\(faults)"),
      ("acknowledged", "\(acknowledged)"), ("failed", "\(failed)"),
      ("violations", "[" + broken.joined(separator: ",") + "]"),
    ])
  }
}

/// Enough of JSON to write a report; values are texts that are JSON already.
enum JSONText {
  static func object(_ members: [(name: String, value: String)]) -> String {
    "{" + members.map { "\(string($0.name)):\($0.value)" }.joined(separator: ",") + "}"
  }

  static func string(_ text: String) -> String {
    var quoted = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": quoted += "\\\""
      case "\\": quoted += "\\\\"
      case "\n": quoted += "\\n"
      case _ where scalar.value < 0x20:
        let digits = String(scalar.value, radix: 16)
        quoted += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: quoted.unicodeScalars.append(scalar)
      }
    }
    return quoted + "\""
  }
}
