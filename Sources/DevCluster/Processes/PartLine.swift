/// What a process of a cluster tells whoever started it: lines on its standard output.
package enum PartLine: String, Sendable {
  /// Its endpoints are its own.
  case bound
  /// It serves.
  case ready
  /// It has handed over what it held, and ends for good.
  case left
  /// A client asked for the end of the cluster, and no call is in flight any more.
  case shutdown
}
