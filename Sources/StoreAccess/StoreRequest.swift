import ClusterModel
package import WireProtocol

/// A connection to one shard, numbered by whoever routes; the number is free again after `hangUp`.
package struct Route: Hashable, Comparable, Sendable {
  package let index: Int

  package init(_ index: Int) { self.index = index }

  package static func < (left: Route, right: Route) -> Bool { left.index < right.index }
}

/// One question to the store, answered exactly once unless it is cancelled.
package struct StoreRequest: Sendable {
  package enum Body: Sendable {
    /// A whole `keyRequest` frame of one key, numbered as the request, and `StableHash` of the key: a
    /// GET or a write.
    case one(frame: [UInt8], hash: UInt64)
    /// Any number of keys, or a LIST.
    case any(KeyRequest)
  }

  /// What may be done where the connection it was sent over is lost, or says nothing.
  package enum Repetition: Sendable {
    /// Sent again, to the next copy if need be.
    case harmless
    /// Never: it fails, and its effect is not known.
    case harmful
    /// It fails, and its asker asks again in its own order.
    case left
  }

  /// Of the asker's choice, below 2^63, unique among its open requests: another of the same number
  /// takes the place of the first.
  package let number: UInt64
  package let body: Body
  /// Nanoseconds of the monotonic clock; nil where the asker cancels by itself.
  package let deadline: UInt64?
  package let repetition: Repetition

  package init(
    number: UInt64, body: Body, deadline: UInt64? = nil, repetition: Repetition
  ) {
    self.number = number
    self.body = body
    self.deadline = deadline
    self.repetition = repetition
  }
}

/// Which connections an answer came over.
package enum Servers: Equatable, Sendable {
  case one(Route)
  /// Of each tuple; nil where none answered.
  case each([Route?])

  /// All of them.
  package var routes: Set<Route> {
    switch self {
    case .one(let route): [route]
    case .each(let routes): Set(routes.compactMap(\.self))
    }
  }

  /// - Parameter tuple: its place in the answer.
  package subscript(tuple: Int) -> Route? {
    switch self {
    case .one(let route): route
    case .each(let routes): tuple < routes.count ? routes[tuple] : nil
    }
  }
}

/// Limits of one user of the store, each with what happens there.
package struct StoreRoutesLimits: Sendable {
  /// Parts of requests that are open; beyond it a request fails with `OVERLOADED`.
  package var openMax = 32_768
  /// Of these, on their way over one connection; the others wait in order.
  package var inFlightMax = 4096
  /// How long a shard that is dialled for the first time is waited for, before the next copy is asked.
  package var dialPatience = Duration.milliseconds(250)
  /// A shard that owes an answer and has said nothing for so long counts as silent: what is harmless
  /// goes to the next copy, until it is heard again.
  package var silenceMax = Duration.seconds(1)
  /// How long a shard that says it is stopping is passed over for its next copies.
  package var avoidance = Duration.milliseconds(500)
  /// After `WRONG_OWNER` by a ring no newer than ours; doubles up to `retryPauseMax`.
  package var retryPause = Duration.milliseconds(20)
  package var retryPauseMax = Duration.milliseconds(320)
  /// Further shards that are dialled for a newer ring, while no copy of a key can be reached.
  package var newsRoutesMax = 8
  /// Shards that are dialled as soon as the membership names them; others when they are needed.
  package var eagerRoutesMax = 64

  package init() {}
}
