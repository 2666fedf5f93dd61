/// Limits of the formats and protocols. Every queue names its own; these are shared by all.
package enum Limits {
  /// A longer key is refused with `KEY_INVALID`.
  package static let keyBytesMax = 1024
  /// A longer value is refused with `VALUE_TOO_LARGE`.
  package static let valueBytesMax = 256 << 20
  /// Bundles travel and are stored in chunks of this many bytes, so that small messages get between
  /// them. Values travel whole in this version.
  package static let chunkBytesMax = 1 << 20
  /// A larger cached value lives in a shared-memory file of its own.
  package static let inlineCacheBytesMax = 256 << 10
  /// A frame above this closes the connection that sent it. A value, its key and some headers fit.
  package static let frameBytesMax = valueBytesMax + (1 << 20)
  /// Elements of all repeated fields of one message, nested ones included. More is refused: an
  /// empty element takes two bytes on the wire and hundreds in memory.
  package static let messageElementsMax = 1 << 16
  /// A function's, DAG's or bundle's name.
  package static let nameBytesMax = 255
  /// More arguments than this in one call are refused with `BAD_ARGUMENT`.
  package static let argumentsMax = 255
  /// More stages in one DAG are refused with `BAD_DAG`.
  package static let dagStagesMax = 256
  /// The session entries (key, version) a client sends along with a call; the oldest go first.
  package static let sessionEntriesMax = 64
  /// A call without a time limit of its own gets this one.
  package static let callTimeLimit = Duration.seconds(30)
  /// Private memory that a call may take unless it asks for another amount, in bytes.
  package static let callMemoryBytes: UInt64 = 512 << 20
  /// A stamp further ahead of the wall clock than this is refused, and a clock that
  /// is itself so far ahead stops stamping.
  package static let clockDriftMax = Duration.milliseconds(500)
  /// What was deleted is remembered for so long, unless a cluster is told otherwise.
  package static let tombstoneGrace = Duration.seconds(3600)
  /// No store forgets it sooner: copies whose clocks differ have to see a tombstone fade.
  package static let tombstoneGraceMin = clockDriftMax * 8
  /// Attempts of a call whose executor or node is lost.
  package static let attemptsMax = 3
  /// How long the result of a submitted call is kept.
  package static let futureLifetime = Duration.seconds(24 * 3600)
  /// A client's text of an error's details (a backtrace, say) is cut to this many bytes.
  package static let failureDetailBytesMax = 16 << 10
}
