import ClusterModel

/// Which attempts are repeated, and what a call that is not repeated ends with.
///
/// An attempt whose executor was lost, or was ended by the call's own code, is repeated up to the
/// call's `attemptsMax`. One that took more memory than it may is not: the next would, too. Calls
/// beyond their deadline and functions that throw never come here.
extension Flight {
  mutating func noteLoss(for cause: Failure) {
    lostAttempts += 1
    if cause.code == .functionCrashed { crashedAttempts += 1 }
  }

  func isGivenUp(for cause: Failure) -> Bool {
    cause.code == .memoryExceeded || lostAttempts >= attemptsMax
  }

  /// The failure that the caller gets: the last cause, and `POISON` in its place where the call ended
  /// its executor each time it was tried, more than once.
  func lastWord(on cause: Failure) -> Failure {
    var failure = cause
    switch cause.code {
    case .memoryExceeded: return failure
    case .functionCrashed: break
    default: failure.code = .executorLost
    }
    guard lostAttempts > 1 else { return failure }
    guard crashedAttempts == lostAttempts else {
      failure.message = "\(cause.message) (attempt \(lostAttempts), the last)"
      return failure
    }
    failure.code = .poison
    failure.message =
      "\(title) ended its executor at each of \(lostAttempts) attempts; at the last, \(cause.message)"
    return failure
  }
}
