import ClusterModel
import WireProtocol

/// The dispatches behind the running call, first come, first run.
struct WaitingCalls {
  private var calls: [RunningCall?] = []
  /// What stands before it has left.
  private var head = 0

  var count: Int { calls.count - head }

  mutating func append(_ call: RunningCall) { calls.append(call) }

  mutating func popFirst() -> RunningCall? {
    guard head < calls.count else { return nil }
    let first = calls[head].take()
    head += 1
    if head == calls.count {
      calls.removeAll(keepingCapacity: true)
      head = 0
    }
    return first
  }

  func firstIndex(of invocation: InvocationID) -> Int? {
    calls[head...].firstIndex { $0?.header.invocation == invocation }
  }

  mutating func remove(at index: Int) -> RunningCall {
    guard let removed = calls.remove(at: index) else {
      preconditionFailure("what stands behind the head is a call")
    }
    if head == calls.count {
      calls.removeAll(keepingCapacity: true)
      head = 0
    }
    return removed
  }
}
