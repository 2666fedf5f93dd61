import WireProtocol

/// Where the states of one watched key go: the latest waits, older ones are dropped.
typealias WatchSink = AsyncThrowingStream<Record?, any Error>.Continuation
