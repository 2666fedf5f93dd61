import ClusterModel
import Glibc
import Logging
import Membership
import NodeRuntime
import Platform
import ZeroMQ

/// A loop on its thread, and how to reach it.
struct Part<Message: Sendable>: Sendable {
  let mailbox: Mailbox<Message>
  let loop: RunningLoop

  /// Mailboxes have room for what comes from here: their other messages are few, and drained every
  /// turn.
  func post(_ message: Message) {
    while !mailbox.tryPost(message) { sched_yield() }
  }

  /// Returns once the loop has ended in order.
  func stop(with message: Message) {
    post(message)
    loop.join()
  }
}

extension Part where Message == StorageMessage {
  /// - Returns: also the endpoints bound, with the ports that the system chose.
  static func storage(
    _ configuration: StorageConfiguration, in context: Context, logger: Logger, ended: EndSignal
  ) throws -> (part: Part, endpoints: [String]) {
    let mailbox = try StorageLoop.mailbox()
    let bound = Locked<[String]>([])
    let loop = try RunningLoop.start(named: "storage", onEnd: { ended.loopEnded("storage", $0) }) {
      try StorageLoop(
        configuration, mailbox: mailbox, in: context, logger: logger,
        onBound: { endpoints in bound.withLock { $0 = endpoints } })
    }
    return (Part(mailbox: mailbox, loop: loop), bound.withLock { $0 })
  }
}

extension Part where Message == AnnaMessage {
  static func anna(_ configuration: AnnaConfiguration, ended: EndSignal) throws -> Part {
    let mailbox = try AnnaLoop.mailbox()
    let logger = Logger(part: "anna")
    let loop = try RunningLoop.start(named: "anna", onEnd: { ended.loopEnded("anna", $0) }) {
      try AnnaLoop(configuration, mailbox: mailbox, logger: logger)
    }
    return Part(mailbox: mailbox, loop: loop)
  }
}

extension Part where Message == RouterMessage {
  /// - Parameter dataFolder: nil keeps the ring in memory only.
  /// - Returns: also the endpoints bound, with the ports that the system chose.
  static func router(
    _ configuration: RouterConfiguration, dataFolder: String?, ended: EndSignal
  ) throws -> (part: Part, endpoints: [String]) {
    let mailbox = try RouterLoop.mailbox()
    let bound = Locked<[String]>([])
    let context = try Context()
    let store: any MembershipStore =
      try dataFolder.map { try FileMembershipStore(folder: $0) } ?? NoMembershipStore()
    let loop = try RunningLoop.start(named: "router", onEnd: { ended.loopEnded("router", $0) }) {
      try RouterLoop(
        configuration, store: store, mailbox: mailbox, in: context,
        logger: Logger(part: "router"),
        onBound: { endpoints in bound.withLock { $0 = endpoints } })
    }
    return (Part(mailbox: mailbox, loop: loop), bound.withLock { $0 })
  }
}

extension Part where Message == MemberMessage {
  /// Makes the process a member; it ends when its life is fenced.
  ///
  /// - Parameters:
  ///   - endpoints: where the process listens; of a storage node, index = shard.
  ///   - onNews: called on the member's thread; it must not wait.
  static func member(
    _ configuration: MemberConfiguration, listeningAt endpoints: [String], ended: EndSignal,
    onNews: @escaping @Sendable (MemberLife.News) -> Void = { _ in }
  ) throws -> Part {
    let mailbox = try MemberLoop.mailbox()
    let context = try Context()
    let loop = try RunningLoop.start(named: "member", onEnd: { ended.loopEnded("member", $0) }) {
      try MemberLoop(
        configuration, listeningAt: endpoints, mailbox: mailbox, in: context,
        logger: Logger(part: "member"), onNews: onNews)
    }
    return Part(mailbox: mailbox, loop: loop)
  }
}

extension Part where Message == SchedulerMessage {
  static func scheduler(
    _ configuration: SchedulerConfiguration, in context: Context, logger: Logger,
    ended: EndSignal, events: SchedulerLoop.Events
  ) throws -> Part {
    let mailbox = try SchedulerLoop.mailbox()
    let loop = try RunningLoop.start(
      named: "scheduler", onEnd: { ended.loopEnded("scheduler", $0) }
    ) {
      try SchedulerLoop(
        configuration, mailbox: mailbox, in: context, logger: logger, events: events)
    }
    return Part(mailbox: mailbox, loop: loop)
  }
}

extension Part where Message == CacheMessage {
  static func cache(
    _ configuration: CacheConfiguration, in context: Context, ended: EndSignal
  ) throws -> Part {
    let mailbox = try Mailbox<CacheMessage>(countMax: 4096)
    let loop = try RunningLoop.start(named: "cache", onEnd: { ended.loopEnded("cache", $0) }) {
      try CacheLoop(configuration, mailbox: mailbox, in: context)
    }
    return Part(mailbox: mailbox, loop: loop)
  }
}

extension Part where Message == SupervisorMessage {
  /// - Parameter cache: of the same node: it is told of executors that are gone.
  static func supervisor(
    _ configuration: SupervisorConfiguration, beside cache: Mailbox<CacheMessage>,
    in context: Context, ended: EndSignal, onFirstExecutor: @escaping @Sendable () -> Void
  ) throws -> Part {
    let mailbox = try Mailbox<SupervisorMessage>(countMax: 16)
    var events = SupervisorLoop.Events()
    events.onFirstExecutor = onFirstExecutor
    // A cache that is this far behind finds the dead reader by itself at its next check.
    events.onReaped = { id, processID in
      _ = cache.tryPost(.executorReaped(id, processID: processID))
    }
    let handlers = events
    let loop = try RunningLoop.start(
      named: "supervisor", onEnd: { ended.loopEnded("supervisor", $0) }
    ) {
      try SupervisorLoop(configuration, mailbox: mailbox, in: context, events: handlers)
    }
    return Part(mailbox: mailbox, loop: loop)
  }
}
