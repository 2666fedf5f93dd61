import ClusterModel

/// What one scheduler holds at most, and how long it waits for whom.
package struct SchedulerLimits: Equatable, Sendable {
  /// Calls that wait for an executor; one more is answered `OVERLOADED` at once.
  package var queuedCallsMax = 10_000
  /// Calls whose results one client waits for; one more is answered `OVERLOADED`. What our own
  /// client has under way at most.
  package var callsPerClientMax = 4096
  /// Bytes of the calls that wait; beyond them likewise.
  package var queuedBytesMax = 64 << 20
  /// Results that wait for their release or for the store. At the limit no call is dispatched
  /// until one has left, so that slow storage slows the callers instead of filling this process.
  package var parkedResultsMax = 4096
  package var parkedBytesMax = 64 << 20
  /// Calls an executor holds at a time; the others wait here.
  package var creditsPerExecutor = 64
  /// An executor that has calls is given another one only while those it has are measured to take
  /// less than this together, and the other one alone likewise.
  package var queuedWorkMax = Duration.milliseconds(1)
  /// After so long without an answer, the calls behind the running one are recalled.
  package var recallAfter = Duration.milliseconds(5)
  /// A recall without an answer is asked for again after this long.
  package var recallPatience = Duration.milliseconds(100)
  /// Attempts of a call whose executor was lost under it.
  package var attemptsMax = Limits.attemptsMax
  /// For calls that name no time limit. The wait in the queue counts.
  package var callTimeLimit = Limits.callTimeLimit
  /// A longer time limit is cut to this.
  package var callTimeLimitMax = Duration.seconds(24 * 3600)
  /// After this long without news of a killed executor its caller is answered all the same, and
  /// the kill is asked for again.
  package var killPatience = Duration.seconds(2)
  /// How long the result of an executor that died after sending it may still be released.
  package var releasePatience = Duration.seconds(2)
  /// An executor that refused a call gets none for this long.
  package var refusalPause = Duration.milliseconds(10)
  /// A request the store has not answered is sent again after this long.
  package var storeResendInterval = Duration.seconds(1)
  /// Keys asked for in one request to the store.
  package var storePageSize = 256
  /// Intents of an earlier life fetched at a time, as the queue has room for them.
  package var intentPageSize = 64
  /// A larger bundle is refused with `BUNDLE_INVALID`.
  package var bundleBytesMax = 256 << 20
  /// Uploads that have begun and not ended; the one that was quiet longest makes room, and its
  /// bytes are deleted.
  package var openUploadsMax = 32
  /// An upload that was begun, or interrupted, can be gone on with for this long; then its bytes are
  /// deleted.
  package var quietUploadTimeLimit = Duration.seconds(600)
  /// Chunks on their way into the store; beyond them an upload is answered `OVERLOADED`.
  package var chunkBytesInFlightMax = 64 << 20
  /// How long a spare executor may take to load a new bundle and describe it.
  package var probeTimeLimit = Duration.seconds(30)
  /// Changes of the registry wait for each other; one more is answered `OVERLOADED`.
  package var registryChangesMax = 64
  /// How long running calls may take once the scheduler is asked to stop.
  package var stopTimeLimit = Duration.seconds(5)

  package init() {}

  /// What does not fit together is the programmer's mistake.
  func check() {
    precondition(queuedCallsMax > 0 && queuedBytesMax > 0 && parkedResultsMax > 0)
    precondition(attemptsMax > 0 && creditsPerExecutor > 0)
    precondition(
      callTimeLimit <= callTimeLimitMax, "the default time limit is one of those allowed")
    precondition(queuedWorkMax < recallAfter, "what is given at a time should not be recalled")
    precondition(bundleBytesMax <= Limits.valueBytesMax * 16)
    precondition(storePageSize > 0 && intentPageSize > 0 && openUploadsMax > 0)
  }
}
