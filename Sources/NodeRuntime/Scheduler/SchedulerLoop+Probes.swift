import ClusterModel
import Connections
import Platform
import Scheduling
import WireProtocol

/// Bundles on their way to the spare executor of some node.
extension SchedulerLoop {
  /// A bundle that came before any node did: right after the cluster's start, or between two lives of
  /// its only node.
  struct WaitingProbe {
    let digest: ContentDigest
    let number: UInt64
    let deadline: UInt64
  }

  private static let nodePatience = Duration.seconds(3)

  mutating func probe(_ digest: ContentDigest, _ number: UInt64) throws {
    guard try !askToProbe(digest, number) else { return }
    waitingProbes.append(
      WaitingProbe(
        digest: digest, number: number,
        deadline: MonotonicClock.now + Self.nodePatience.wholeNanoseconds))
  }

  /// A node has come.
  mutating func askAgainToProbe() throws {
    let waiting = waitingProbes
    waitingProbes = []
    for probe in waiting where try !askToProbe(probe.digest, probe.number) {
      waitingProbes.append(probe)
    }
  }

  var probesDeadline: UInt64? { waitingProbes.first?.deadline }

  mutating func endWaitingProbes(at now: UInt64) throws {
    while let first = waitingProbes.first, first.deadline <= now {
      waitingProbes.removeFirst()
      var record = BundleRecord()
      record.failure = Failure(
        .unavailable, "no node is connected that could load the bundle",
        hint: "cbctl status shows the nodes")
      try step(.bundleProbed(record, number: first.number))
    }
  }

  private mutating func askToProbe(_ digest: ContentDigest, _ number: UInt64) throws -> Bool {
    var request = BundleRequest()
    request.digest = digest.bytes
    for node in supervisors.keys.sorted() {
      guard let agent = supervisors[node] else { continue }
      if try back.send(request.framed(.probeBundle, number: number), to: agent.peer) { return true }
    }
    return false
  }
}
