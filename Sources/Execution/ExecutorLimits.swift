import ClusterModel

/// What one executor holds and for how long.
package struct ExecutorLimits: Sendable {
  /// Bytes of writes a call gathers before they are sent without waiting for its end.
  package var overlayBytesMax = 1 << 20
  /// Bytes of writes sent and not yet in the shared cache; beyond them a write waits or is refused.
  package var unappliedBytesMax = 64 << 20
  /// A call's writes are sent at the latest so long after the first of them.
  package var flushInterval = Duration.milliseconds(10)
  /// Reads of one call that may be under way; one more fails with `OVERLOADED`.
  package var readsMax = 1024
  /// A request to the agent is sent again after this long without an answer.
  package var requestRetryInterval = Duration.seconds(1)
  /// A read that found its record evicted so often between fetch and look-up fails.
  package var fetchesPerReadMax = 4
  /// Bundles loaded in one process, none of which is ever unloaded; then it makes way for a new one.
  package var bundlesMax = 256

  /// Dispatches that wait behind the running call; one more is refused with `OVERLOADED`.
  package var dispatchesWaitingMax = 256

  package init() {}

  var flushNanoseconds: UInt64 { flushInterval.wholeNanoseconds }
  var requestRetryNanoseconds: UInt64 { requestRetryInterval.wholeNanoseconds }
}
