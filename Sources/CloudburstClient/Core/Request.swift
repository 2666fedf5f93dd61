package import ClusterModel
package import WireProtocol

/// One of a client's connections.
package enum Lane: Hashable, Comparable, Sendable {
  /// To the scheduler: calls and control requests.
  case scheduler
  /// To a storage shard, by its `Route`: reads, writes and watches.
  case shard(Int)
}

/// One question to the cluster, which ends exactly once.
///
/// A class: it passes through many hands, and its call has many parts to copy.
package final class Request: Sendable {
  package enum Body: Sendable {
    /// Ends with the scheduler's next welcome, or at once where there is one.
    case connect
    /// Encoded when it is sent, because the time left and the session are those of that moment.
    case call(Call, CallHeader)
    /// A whole `keyRequest` frame of one key, numbered with the ticket.
    case keys(frame: [UInt8], at: Key, KeyAccess)
    /// Any number of keys, wherever they are; or a LIST.
    case store(KeyRequest, KeyAccess)
    /// Ends with the first state of the key that is not absent.
    case presence(of: Key)
    /// A whole `controlRequest` frame numbered with the ticket.
    case control(frame: [UInt8])
  }

  /// Names the request in frames; never used twice in one client.
  package let ticket: UInt64
  package let body: Body
  /// Nanoseconds of the monotonic clock.
  package let deadline: UInt64
  /// Whether asking twice does no harm: then a lost connection means asking again.
  package let isIdempotent: Bool

  package init(ticket: UInt64, body: Body, deadline: UInt64, isIdempotent: Bool) {
    self.ticket = ticket
    self.body = body
    self.deadline = deadline
    self.isIdempotent = isIdempotent
  }
}

/// What a key request does to the session's versions.
package enum KeyAccess: Equatable, Sendable {
  case read
  /// Nil is the cluster's default level.
  case write(WriteLevel?)
}

/// How a request ended.
package enum Outcome: Equatable, Sendable {
  case welcomed(Welcome)
  case result(CallResult)
  case keys(KeyResponse)
  case present(Record)
  /// `ControlResponse` bytes.
  case control(Bytes)
  case failed(Failure)
  /// The caller asked for the end.
  case cancelled
}

extension Request {
  package var isCall: Bool {
    if case .call = body { true } else { false }
  }

  /// What failed, for messages: "the call of square", "a request for key n".
  var subject: String {
    switch body {
    case .connect: "the connection"
    case .call(let call, _):
      call.dag.isEmpty ? "the call of \(call.function)" : "the call of DAG \(call.dag)"
    case .keys(_, let key, _), .presence(let key): "the request for key \(key)"
    case .store(let request, _):
      request.tuples.count == 1
        ? "the request for key \(request.tuples[0].key)"
        : "the request for \(request.tuples.count) keys"
    case .control: "the control request"
    }
  }
}
