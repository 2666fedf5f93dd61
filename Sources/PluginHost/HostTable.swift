import CCloudburst
import Glibc

extension cb_host {
  /// The table of every `PluginHost`; `instance` says of which.
  static var calling: cb_host {
    var table = cb_host()
    table.struct_size = UInt32(MemoryLayout<cb_host>.size)
    table.abi_version = UInt32(CB_ABI_VERSION)
    table.result = { host, call, value in
      serve(host, call) { host throws(HostRefusal) in
        try host.services.result(call, try borrowed(value?.pointee))
      }
    }
    table.fail = { host, call, code, message in
      serve(host, call) { host throws(HostRefusal) in
        try host.services.fail(call, code: String(code), message: String(message))
      }
    }
    table.complete = { host, call in
      serve(host, call) { host throws(HostRefusal) in try host.services.complete(call) }
    }
    table.post = { host, thunk, context in
      guard let host = plugin(host), let thunk else { return cb_status(CB_INVALID) }
      let isTaken = host.poster.post(PostedTurn(thunk: thunk, context: context))
      return cb_status(isTaken ? CB_OK : CB_UNAVAILABLE)
    }
    table.request = { host, call, operation, input, token in
      serve(host, call) { host throws(HostRefusal) in
        try requireRead(operation)
        try host.services.startRead(call, key: try borrowed(input).bytes, token: token)
      }
    }
    table.request_blocking = { host, call, operation, input, reply in
      serveRead(host, call, reply?.assumingMemoryBound(to: cb_stored.self)) {
        host throws(HostRefusal) in
        try requireRead(operation)
        return try host.services.readBlocking(call, key: try borrowed(input).bytes)
          .map(ReadOutcome.found) ?? .missing
      }
    }
    table.get = { host, call, key, flags, stored in
      serveRead(host, call, stored) { host throws(HostRefusal) in
        let key = BorrowedBytes(start: key.bytes, count: key.count)
        if flags & UInt32(CB_NO_WAIT) != 0 { return try host.services.readAtHand(call, key: key) }
        return try host.services.readBlocking(call, key: key).map(ReadOutcome.found) ?? .missing
      }
    }
    addWrites(&table)
    addFacts(&table)
    return table
  }

  private static func addWrites(_ table: inout cb_host) {
    table.put = { host, call, key, value in
      serve(host, call) { host throws(HostRefusal) in
        let key = BorrowedBytes(start: key.bytes, count: key.count)
        try host.services.put(call, key: key, try borrowed(value?.pointee))
      }
    }
    table.remove = { host, call, key in
      serve(host, call) { host throws(HostRefusal) in
        try host.services.remove(call, key: BorrowedBytes(start: key.bytes, count: key.count))
      }
    }
    table.update = { host, call, key, update in
      serve(host, call) { host throws(HostRefusal) in
        guard let update = update?.pointee else { throw HostRefusal(.invalid, "no update") }
        let key = BorrowedBytes(start: key.bytes, count: key.count)
        switch Int(update.kind) {
        case CB_UPDATE_COUNTER_ADD: try host.services.add(call, key: key, update.integer)
        case CB_UPDATE_SET_ADD:
          try host.services.insert(call, key: key, try borrowed(update.value))
        default: throw HostRefusal(.unsupported, "update \(update.kind)")
        }
      }
    }
  }

  private static func addFacts(_ table: inout cb_host) {
    table.log = { host, call, level, message in
      serve(host, call) { host throws(HostRefusal) in
        try host.services.log(call, level: Int(min(level, 4)), message: String(message))
      }
    }
    table.deadline_remaining = { host, call in
      var nanoseconds = Int64.max  // CB_NO_DEADLINE
      let status = serve(host, call) { host throws(HostRefusal) in
        guard let remaining = try host.services.remainingTime(call) else { return }
        nanoseconds = remaining.nanosecondsLeft
      }
      return status == cb_status(CB_OK) ? nanoseconds : Int64(status)
    }
    table.last_error = { host, call in
      guard let host = plugin(host), host.isOnItsThread, let refusal = host.lastRefusal,
        refusal.call == call
      else { return cb_text(bytes: nil, count: 0) }
      let bytes = UnsafeRawPointer(refusal.text.baseAddress)?.assumingMemoryBound(to: CChar.self)
      return cb_text(bytes: bytes, count: refusal.text.count)
    }
  }
}

extension PluginHost {
  fileprivate var isOnItsThread: Bool { pthread_equal(thread, pthread_self()) != 0 }
}

// Free functions, because a C function pointer must not capture, not even `Self`.

private func plugin(_ table: UnsafePointer<cb_host>?) -> PluginHost? {
  guard let instance = table?.pointee.instance else { return nil }
  return Unmanaged<PluginHost>.fromOpaque(instance).takeUnretainedValue()
}

/// Runs a service on the loop thread and turns its refusal into a status.
private func serve(
  _ table: UnsafePointer<cb_host>?, _ call: cb_call,
  _ service: (PluginHost) throws(HostRefusal) -> Void
) -> cb_status {
  guard let host = plugin(table) else { return cb_status(CB_INVALID) }
  guard host.isOnItsThread else { return cb_status(CB_WRONG_THREAD) }
  do throws(HostRefusal) {
    try service(host)
    return cb_status(CB_OK)
  } catch {
    return host.refuse(call, error)
  }
}

private func serveRead(
  _ table: UnsafePointer<cb_host>?, _ call: cb_call, _ stored: UnsafeMutablePointer<cb_stored>?,
  _ read: (PluginHost) throws(HostRefusal) -> ReadOutcome
) -> cb_status {
  var outcome = ReadOutcome.missing
  let status = serve(table, call) { host throws(HostRefusal) in
    guard let stored, Int(stored.pointee.struct_size) >= MemoryLayout<cb_stored>.size else {
      throw HostRefusal(.invalid, "a cb_stored with its struct_size is needed")
    }
    outcome = try read(host)
    if case .found(let view) = outcome { stored.pointee.fill(view) }
  }
  guard status == cb_status(CB_OK) else { return status }
  switch outcome {
  case .found: return cb_status(CB_OK)
  case .missing: return cb_status(CB_MISSING)
  case .wouldWait: return cb_status(CB_WOULD_WAIT)
  }
}

private func requireRead(_ operation: UInt32) throws(HostRefusal) {
  guard Int(operation) == CB_OPERATION_GET else {
    throw HostRefusal(.unsupported, "operation \(operation)")
  }
}

private func borrowed(_ value: cb_value?) throws(HostRefusal) -> BorrowedValue {
  guard let value, let borrowed = BorrowedValue(value) else {
    throw HostRefusal(.invalid, "a value of unknown encoding")
  }
  return borrowed
}

extension Duration {
  /// Whole nanoseconds, not below zero, at most `Int64.max`.
  fileprivate var nanosecondsLeft: Int64 {
    let (seconds, attoseconds) = components
    let (nanoseconds, isTooMany) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
    let (sum, isAbove) = nanoseconds.addingReportingOverflow(attoseconds / 1_000_000_000)
    return isTooMany || isAbove ? (seconds < 0 ? 0 : .max) : max(0, sum)
  }
}
