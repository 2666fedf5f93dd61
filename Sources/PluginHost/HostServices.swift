/// What functions ask of the executor that runs them; the executor's side of the plugin ABI.
///
/// `PluginHost` calls all of it on the loop thread, from within `start`, `resume` or a posted turn;
/// calls from other threads are refused before they get here. Each method refuses by throwing; an
/// unknown or completed call is `HostRefusal(.staleCall)`. Bytes are borrowed for the method, except
/// those that `get` and `readBlocking` return: see `StoredView`.
package protocol HostServices: AnyObject {
  /// The result; copy it. At most one of `result` and `fail` is to be taken a call: else `.invalid`.
  func result(_ call: CallHandle, _ value: BorrowedValue) throws(HostRefusal)
  /// - Parameter code: a name of docs/errors.md; take any other as FUNCTION_FAILED.
  func fail(_ call: CallHandle, code: String, message: String) throws(HostRefusal)
  /// A pending call is over; its `Invocation` may go, though the body may still be on the stack.
  func complete(_ call: CallHandle) throws(HostRefusal)

  /// Starts a read that `PluginHost.resume` answers later, never from within.
  func startRead(_ call: CallHandle, key: BorrowedBytes, token: UInt64) throws(HostRefusal)
  /// Reads; may wait, pumping replies and control messages but starting no call and running no turn.
  func readBlocking(_ call: CallHandle, key: BorrowedBytes) throws(HostRefusal) -> StoredView?
  /// Reads what is at hand.
  func readAtHand(_ call: CallHandle, key: BorrowedBytes) throws(HostRefusal) -> ReadOutcome

  func put(_ call: CallHandle, key: BorrowedBytes, _ value: BorrowedValue) throws(HostRefusal)
  func remove(_ call: CallHandle, key: BorrowedBytes) throws(HostRefusal)
  func add(_ call: CallHandle, key: BorrowedBytes, _ amount: Int64) throws(HostRefusal)
  func insert(_ call: CallHandle, key: BorrowedBytes, _ element: BorrowedValue) throws(HostRefusal)

  /// - Parameter level: 0 trace, 1 debug, 2 info, 3 warning, 4 error.
  func log(_ call: CallHandle, level: Int, message: String) throws(HostRefusal)
  /// Time until the call's deadline, not below zero; `nil` when it has none.
  func remainingTime(_ call: CallHandle) throws(HostRefusal) -> Duration?
}

/// Runs turns on the loop thread; functions post from any thread.
package protocol TurnPoster: Sendable {
  /// - Returns: `false` when the loop has ended; the turn is then not run.
  func post(_ turn: PostedTurn) -> Bool
}

/// A piece of a function's work, to be run once on the loop thread, outside any other piece.
// SAFETY: the function that posted it handed its context over to the loop thread with it.
package struct PostedTurn: @unchecked Sendable {
  let thunk: @convention(c) (UnsafeMutableRawPointer?) -> Void
  let context: UnsafeMutableRawPointer?

  package init(
    thunk: @escaping @convention(c) (UnsafeMutableRawPointer?) -> Void,
    context: UnsafeMutableRawPointer?
  ) {
    self.thunk = thunk
    self.context = context
  }

  package func run() {
    thunk(context)
  }
}

/// The number by which a function and its executor name a call; never reused, never 0.
package typealias CallHandle = UInt64

package typealias BorrowedBytes = UnsafeRawBufferPointer

/// Bytes with the tag that says how to read them: 0 raw, 1 JSON, 2 native.
package struct BorrowedValue {
  package let encoding: UInt8
  package let bytes: BorrowedBytes

  package init(encoding: UInt8, bytes: BorrowedBytes) {
    self.encoding = encoding
    self.bytes = bytes
  }
}

/// What a key holds, as given to a function.
///
/// The bytes stay readable until the next method with the same call, or until the piece of the body
/// that runs now gives control back, whichever is first.
package enum StoredView {
  case value(BorrowedValue)
  case counter(Int64)
  /// Elements in ascending byte order, each a 32-bit little-endian length and that many bytes.
  case set(count: Int, BorrowedValue)
}

package enum ReadOutcome {
  case found(StoredView)
  case missing
  case wouldWait
}

/// A refusal, with a sentence for the author of the function.
package struct HostRefusal: Error, Hashable, Sendable {
  package enum Status: Int32, Hashable, Sendable, CaseIterable {
    case wrongThread = -1
    case staleCall = -2
    case invalid = -3
    case lattice = -4
    case unavailable = -5
    case deadline = -6
    case overloaded = -7
    case tooLarge = -8
    case unsupported = -9
    case internalError = -10
    case keyInvalid = -11
    case keyReserved = -12
    case cancelled = -13
  }
  package let status: Status
  package let message: String

  package init(_ status: Status, _ message: String = "") {
    self.status = status
    self.message = message
  }
}
