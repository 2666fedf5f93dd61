import CCloudburst
import ClusterModel
import Glibc

/// The executor's end of the plugin ABI: calls functions, and carries what they ask to `HostServices`.
///
/// Make one on the loop thread and keep it: functions may hold its table, so it is never freed.
package final class PluginHost {
  package enum Outcome: Hashable, Sendable {
    /// `result` was given and the call is over.
    case done
    /// `fail` was given and the call is over.
    case failed
    /// `complete` tells the end, if it has not been told already.
    case pending
  }

  let services: any HostServices
  let poster: any TurnPoster
  let thread = pthread_self()
  let table: UnsafeMutablePointer<cb_host>
  private(set) var lastRefusal: (call: CallHandle, text: UnsafeMutableBufferPointer<UInt8>)?

  /// - Parameters: kept for good, as the table is.
  package init(services: any HostServices, poster: any TurnPoster) {
    self.services = services
    self.poster = poster
    table = .allocate(capacity: 1)
    table.initialize(to: .calling)
    table.pointee.instance = Unmanaged.passRetained(self).toOpaque()
  }

  /// Runs a call's first piece, or all of it. LOOP THREAD ONLY.
  package func start(_ invocation: Invocation) -> Outcome {
    let outcome = invocation.invoke(table, invocation.table)
    switch Int(outcome) {
    case CB_DONE: return .done
    case CB_PENDING where invocation.isAsync: return .pending
    default: return .failed
    }
  }

  /// Does a function's one-time set-up, if it has one. LOOP THREAD ONLY.
  ///
  /// - Returns: whether it went well; `HostServices.fail` was told why not.
  package func setUp(_ function: LoadedFunction, as call: CallHandle) -> Bool {
    guard let setUp = function.setUp else { return true }
    let none = InvocationID(high: 0, low: 0)
    let invocation = Invocation(call: call, of: function, id: none, attempt: 1, arguments: [])
    return Int(setUp(table, invocation.table)) == CB_DONE
  }

  /// Answers a `startRead`, once for each, also when its call is over (`staleCall`). LOOP THREAD ONLY.
  package func resume(
    _ bundle: LoadedBundle, token: UInt64, with answer: Result<StoredView?, HostRefusal>
  ) {
    switch answer {
    case .success(let view?):
      var stored = cb_stored()
      stored.struct_size = UInt32(MemoryLayout<cb_stored>.size)
      stored.fill(view)
      bundle.resume?(token, cb_status(CB_OK), &stored)
    case .success(nil):
      bundle.resume?(token, cb_status(CB_MISSING), nil)
    case .failure(let refusal):
      bundle.resume?(token, refusal.status.rawValue, nil)
    }
  }

  /// Keeps why a call was refused, for `last_error`.
  func refuse(_ call: CallHandle, _ refusal: HostRefusal) -> cb_status {
    lastRefusal?.text.deallocate()
    let utf8 = Array(refusal.message.utf8)
    let text = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: utf8.count)
    _ = text.initialize(from: utf8)
    lastRefusal = (call, text)
    return refusal.status.rawValue
  }
}

extension cb_stored {
  /// Writes no further than the caller's `struct_size`, which `PluginHost` has checked.
  mutating func fill(_ view: StoredView) {
    flags = 0
    element_count = 0
    integer = 0
    value = cb_value()
    switch view {
    case .value(let bytes):
      lattice = UInt32(CB_LATTICE_LWW)
      value = cb_value(bytes)
    case .counter(let sum):
      lattice = UInt32(CB_LATTICE_COUNTER)
      integer = sum
    case .set(let count, let elements):
      lattice = UInt32(CB_LATTICE_SET)
      element_count = UInt32(clamping: count)
      value = cb_value(elements)
    }
  }
}
