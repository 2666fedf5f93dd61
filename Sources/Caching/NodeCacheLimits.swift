/// Limits of one node's cache, each with what happens there.
package struct NodeCacheLimits: Sendable {
  /// Keys and records held; beyond it clean records are evicted down to seven eighths.
  package var bytesMax = 96 << 20
  /// Bytes of writes the owner has not acknowledged; beyond it further writes wait.
  package var dirtyBytesMax = 32 << 20
  /// Executors' frames of writes that wait for room; beyond it they are refused with `OVERLOADED`.
  package var waitingWritesMax = 1024
  /// How long they wait at most; then they are refused with `OVERLOADED`.
  package var writesWaitMax = Duration.seconds(2)
  /// Flush requests under way; further keys wait and share the next request.
  package var flushesMax = 32
  /// Keys of one flush or verification request.
  package var requestKeysMax = 128
  /// Payload bytes of one flush or verification request, one key always excepted.
  package var requestBytesMax = 1 << 20
  /// A flush without an answer is sent again after this time, and again after twice as long.
  package var flushTimeLimit = Duration.seconds(1)
  package var flushTimeLimitMax = Duration.seconds(8)
  /// After a refusal that may pass, the key is flushed again.
  package var flushRetryPause = Duration.milliseconds(100)
  /// A fetch that has not succeeded by then fails with its last cause.
  package var fetchTimeLimit = Duration.seconds(5)
  /// A fetch without an answer is sent again.
  package var fetchResendPause = Duration.seconds(1)
  /// When the owner does not have the required version yet, or cannot answer now.
  package var fetchRetryPause = Duration.milliseconds(20)
  /// Requests under way that compare cached keys with their owner after a lost connection or push.
  package var verificationsMax = 4
  /// An owner that was not heard of for so long is silent: what it pushes counts as unverified. It says
  /// something every second.
  package var silenceMax = Duration.seconds(3)
  /// Answers older than the required version before a fetch fails with `UNAVAILABLE`.
  package var staleAnswersMax = 10
  /// Executors' requests that wait for one key; beyond it they are refused with `OVERLOADED`.
  package var waitersPerKeyMax = 4096
  /// Refused writes remembered, for calls that read one and end later; the oldest are forgotten.
  package var refusalsKeptMax = 64
  /// How finely timers are looked at while something is under way.
  package var tickInterval = Duration.milliseconds(20)
  /// Bytes of the array through which readers tell what they use; a power of two.
  package var referenceSlots = 1 << 16

  package init() {}

  package func checkRelations() {
    precondition(dirtyBytesMax <= bytesMax / 2, "what cannot be evicted leaves room for the rest")
    precondition(referenceSlots.nonzeroBitCount == 1, "a slot is found by masking the hash")
    precondition(
      flushesMax > 0 && requestKeysMax > 0 && verificationsMax > 0, "something may be under way")
    precondition(tickInterval <= fetchRetryPause, "a pause is at least one tick")
  }
}
