package import ClusterModel
import WireProtocol

/// One member in its present life.
package struct Member: Equatable, Sendable {
  package let incarnation: Incarnation
  package internal(set) var endpoints: [String]
  package internal(set) var processID: UInt32
  package internal(set) var settledEpoch: UInt64 = 0
  package internal(set) var isLeaving = false
  /// Of the newest ring it knows.
  package internal(set) var ringEpoch: UInt64 = 0
  /// When its life here began; monotonic.
  package let since: UInt64
  /// Monotonic.
  package internal(set) var lastReport: UInt64
  var peer: PeerID
  /// Since when the connection that it reported by is broken.
  var brokenAt: UInt64?
  var clock = ClockLead()

  init(_ report: MemberReport, from peer: PeerID, at now: UInt64) {
    incarnation = report.incarnation
    endpoints = report.endpoints
    processID = report.processID
    since = now
    lastReport = now
    self.peer = peer
  }

  /// Its wall clock less the membership's, in milliseconds.
  package var clockLead: Int64 { clock.milliseconds }
}

/// By how much another clock is ahead, from what it said and when that came.
///
/// A report is as old as its way was long, so each makes the other clock look later than it is: the
/// highest of the last few is the nearest to the truth.
struct ClockLead: Equatable, Sendable {
  static let samplesMax = 8
  private var samples: [Int64] = []

  mutating func note(theirs: UInt64, ours: UInt64) {
    if samples.count == Self.samplesMax { samples.removeFirst() }
    samples.append(Int64(clamping: theirs) - Int64(clamping: ours))
  }

  var milliseconds: Int64 { samples.max() ?? 0 }
}
