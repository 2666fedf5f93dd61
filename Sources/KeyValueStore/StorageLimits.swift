import ClusterModel
import WireProtocol

/// What one shard holds at most, and how long it puts things off.
package struct StorageLimits: Equatable, Sendable {
  /// Of keys and records in memory. Where there is a log, records that are used less are left to the disk
  /// from here on; without one, a write that would pass it is refused with `OVERLOADED`.
  package var memoryBytesMax = 4 << 30
  /// How far memory may go beyond it with what the log does not have yet; then writes are refused, too.
  package var unloggedBytesMax = 32 << 20
  /// Entries looked at for demotion before requests get in, the pause in between, and the shortest one
  /// where nothing can be demoted.
  package var demotedPerStepMax = 1024
  package var demotionInterval = Duration.milliseconds(1)
  package var demotionPause = Duration.milliseconds(100)
  /// Of one read from the disk.
  package var loadRecordsMax = 128
  package var loadBytesMax = 8 << 20
  /// Keys of one request; more are refused with `BAD_REQUEST`.
  package var tuplesPerRequestMax = 1024
  /// Records of one answer; keys beyond it fail with `OVERLOADED`, to be asked for on their own.
  package var answerBytesMax = Limits.valueBytesMax + Record.headerByteCount
  /// Keys of a page of LIST; a longer page asked for is cut to this.
  package var listPageKeysMax = 1000
  /// Records one LIST looks at before it answers with what it has, so that other requests get in.
  package var listRecordsPerStepMax = 16_384
  /// Watches of one peer; more are refused with `OVERLOADED`.
  package var watchesPerPeerMax = 4096
  /// Keys one cache may be subscribed to; beyond it a key is answered, and not subscribed to, with
  /// `OVERLOADED`.
  package var subscriptionsPerPeerMax = 1 << 20
  /// After an update of a key went out, later ones wait this long and go as one.
  package var pushPeriod = Duration.milliseconds(100)
  /// The same for the events of a watch.
  package var watchPeriod = Duration.milliseconds(20)
  /// Push frames a cache has not acknowledged; at the limit its updates wait, coalesced by key.
  package var pushWindowFramesMax: UInt64 = 64
  /// Records of one push frame.
  package var pushTuplesMax = 256
  /// A push frame is sent once it holds this much; so it is at most this and one value long.
  package var pushFrameBytesMax = 256 << 10
  /// A subscribed cache hears at least this often where its stream stands.
  package var heartbeatInterval = Duration.seconds(1)
  /// Requests that wait for the log; more durable writes are refused with `OVERLOADED`.
  package var acknowledgementsWaitingMax = 65_536
  /// Of one commit to the log.
  package var logBatchRecordsMax = 4096
  /// A commit to the log is made once it holds this much.
  package var logBatchBytesMax = 8 << 20
  /// After the log failed, the next attempt waits this long.
  package var logRetryInterval = Duration.seconds(1)
  /// Expired records turned into tombstones before other requests get in.
  package var expiredPerStepMax = 256

  /// A change that nobody waits for goes to the other copies within this time, together with others.
  package var gossipPeriod = Duration.milliseconds(10)
  /// Records of one frame to another shard.
  package var replicateRecordsMax = 1024
  /// A frame to another shard is sent once it holds this much; so it is at most this and one record.
  package var replicateBytesMax = 256 << 10
  /// Of a hand-over: what is looked at, and noted, before requests get in; and the pause in between.
  package var handOverRecordsPerStepMax = 4096
  package var handOverBytesPerStepMax = 128 << 10
  package var handOverInterval = Duration.milliseconds(4)
  /// A hand-over waits while this many entries wait for one shard.
  package var handOverBacklogMax = 2048
  /// After a change of the ring is complete, what others hold now is kept for so long.
  package var dropGrace = Duration.seconds(5)
  /// Requests a second below which no key is hot.
  package var hotRateMin = 1000
  /// Hot keys of one shard that get extra replicas.
  package var hotKeysMax = 64
  /// Extra replicas of a hot key, as far as there are shards.
  package var extraReplicasMax = 4
  /// A hot key of a longer record gets none.
  package var hotRecordBytesMax = 1 << 20
  /// Keys of requests that wait for the disk; further requests are refused.
  package var coldKeysWaitingMax = 16_384
  /// Requests that wait for what other shards hold of keys on the move; further ones are refused.
  package var parkedRequestsMax = 4096

  /// Tombstones are kept for so long after the delete; who is away for longer brings nothing of that
  /// time back.
  package var tombstoneGrace = Limits.tombstoneGrace
  /// Tombstones are looked for this often, or eight times in a grace period.
  package var collectionIntervalMax = Duration.seconds(60)

  /// How often two shards compare what they hold together; nothing younger than the age counts.
  package var auditInterval = Duration.seconds(30)
  package var auditAge = Duration.seconds(10)
  /// Rounds left out while nothing changes here.
  package var auditSkipsMax = 20
  /// Stretches that are repaired in a round, of ``Audit/stretchCount``.
  package var auditStretchesMax = 16
  /// Passes that wait; one more is left to the next round.
  package var auditsMax = 64

  package init() {}

  func checkRelations() {
    precondition(listPageKeysMax > 0 && listRecordsPerStepMax > 0, "a LIST makes progress")
    precondition(pushWindowFramesMax > 0 && pushTuplesMax > 0, "a push stream makes progress")
    precondition(logBatchRecordsMax > 0, "a commit holds at least one record")
    precondition(watchPeriod <= heartbeatInterval && pushPeriod <= heartbeatInterval)
    precondition(
      replicateRecordsMax > 0 && handOverRecordsPerStepMax > 0, "a stream makes progress")
    precondition(
      tombstoneGrace >= Limits.tombstoneGraceMin, "clocks that differ see a tombstone fade")
    precondition(answerBytesMax >= Limits.valueBytesMax, "the largest value can be answered")
  }
}
