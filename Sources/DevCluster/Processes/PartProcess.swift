import ClusterModel
import Logging
package import NodeRuntime
package import Platform
import ZeroMQ

/// A process that is one part of a cluster: storage, scheduler or a compute node.
///
/// Its parts may start in any order: whoever is not there yet is dialled again and again.
package final class PartProcess: Sendable {
  /// What welcomes and status say of this program.
  package static var software: String { "cloudburst \(PlatformVersion.text)" }

  private let ended: EndSignal
  /// In the order in which its loops end.
  private let stops: [@Sendable () -> Void]
  /// Begins to hand over what is held here.
  private let leave: @Sendable () -> Void

  private init(
    _ ended: EndSignal, stops: [@Sendable () -> Void], leave: @escaping @Sendable () -> Void = {}
  ) {
    self.ended = ended
    self.stops = stops
    self.leave = leave
  }

  /// With a membership of its own, whose loop ends last; all are ended where it cannot start.
  private convenience init(
    _ ended: EndSignal, stops: [@Sendable () -> Void], member: MemberConfiguration?,
    listeningAt endpoints: [String]
  ) throws {
    var stops = stops
    if let member {
      do {
        let part = try Part.member(member, listeningAt: endpoints, ended: ended)
        stops.append { part.stop(with: .stop) }
      } catch {
        for stop in stops { stop() }
        throw error
      }
    }
    self.init(ended, stops: stops)
  }

  /// - Parameters:
  ///   - dataFolder: where the ring is kept; nil: in memory only.
  ///   - anna: told where the router listens, what the door for Anna's clients is to be told.
  ///   - onReady: called with the endpoints bound.
  /// - Throws: `Failure`: `portInUse`, `storageFailed`.
  package static func router(
    _ configuration: RouterConfiguration, dataFolder: String?,
    anna: (_ router: String) -> AnnaConfiguration? = { _ in nil }, onReady: ([String]) -> Void
  ) throws -> PartProcess {
    try refuseTaken(configuration.endpoints)
    let ended = try EndSignal()
    do {
      let started = try Part.router(configuration, dataFolder: dataFolder, ended: ended)
      let stops = try withDoor(
        anna(started.endpoints.last ?? ""), ended, before: { started.part.stop(with: .stop) })
      onReady(started.endpoints)
      return PartProcess(ended, stops: stops)
    } catch {
      throw Failure(starting: error, at: configuration.endpoints)
    }
  }

  /// A store of one shard, alone.
  ///
  /// - Parameters:
  ///   - anna: told where the store listens, what the door for Anna's clients is to be told.
  ///   - onReady: called with the endpoints bound once requests are served.
  /// - Throws: `Failure`: `portInUse`, `dataLocked`, `dataFormat`, `storageFailed`.
  package static func storage(
    _ configuration: StorageConfiguration,
    anna: (_ storage: String) -> AnnaConfiguration? = { _ in nil }, onReady: ([String]) -> Void
  ) throws -> PartProcess {
    try refuseTaken(configuration.endpoints)
    let ended = try EndSignal()
    do {
      let started = try Part.storage(
        configuration, in: Context(), logger: Logger(part: "storage"), ended: ended)
      let stops = try withDoor(
        anna(started.endpoints.last ?? ""), ended, before: { started.part.stop(with: .stop) })
      onReady(started.endpoints)
      return PartProcess(ended, stops: stops)
    } catch {
      throw Failure(starting: error, at: configuration.endpoints)
    }
  }

  /// Starts the door for Anna's clients, where there is to be one.
  ///
  /// - Parameter stop: ends what the door needs; also called where the door cannot start.
  /// - Returns: what ends both.
  private static func withDoor(
    _ configuration: AnnaConfiguration?, _ ended: EndSignal,
    before stop: @escaping @Sendable () -> Void
  ) throws -> [@Sendable () -> Void] {
    guard let configuration else { return [stop] }
    do {
      let door = try Part.anna(configuration, ended: ended)
      return [{ door.stop(with: .stop) }, stop]
    } catch {
      stop()
      throw error
    }
  }

  /// A storage node that is a member of a cluster with a router: its shards, each on a thread.
  ///
  /// - Parameters:
  ///   - shards: by their number.
  ///   - onReady: called with the endpoints that clients dial, index = shard. Requests are served once
  ///     the router has taken the node in.
  ///   - onLeft: called once nobody needs the node any more, after `SIGUSR1` asked it to leave.
  /// - Throws: `Failure`: `portInUse`, `dataLocked`, `dataFormat`, `storageFailed`.
  package static func storageNode(
    _ shards: [StorageConfiguration], member: MemberConfiguration,
    onReady: ([String]) -> Void, onLeft: @escaping @Sendable () -> Void
  ) throws -> PartProcess {
    let endpoints = shards.flatMap(\.endpoints)
    try refuseTaken(endpoints)
    let ended = try EndSignal()
    do {
      let node = try StorageNode(shards, member: member, ended: ended) {
        onLeft()
        ended.request()
      }
      onReady(node.endpoints)
      return PartProcess(ended, stops: [{ node.stop() }], leave: { node.leave() })
    } catch {
      throw Failure(starting: error, at: endpoints)
    }
  }

  /// - Parameters:
  ///   - member: nil where there is no router.
  ///   - events: `onReady` comes once the registry is loaded, which needs storage.
  /// - Throws: `Failure`: `portInUse`.
  package static func scheduler(
    _ configuration: SchedulerConfiguration, member: MemberConfiguration?,
    events: SchedulerLoop.Events
  ) throws -> PartProcess {
    let endpoints = [configuration.frontEndpoint, configuration.backEndpoint]
    try refuseTaken(endpoints)
    let ended = try EndSignal()
    var events = events
    let tell = events.onShutdown
    events.onShutdown = {
      tell()
      ended.request()
    }
    do {
      let part = try Part.scheduler(
        configuration, in: Context(), logger: Logger(part: "scheduler"), ended: ended,
        events: events)
      return try PartProcess(
        ended, stops: [{ part.stop(with: .stop) }], member: member,
        listeningAt: [configuration.frontEndpoint])
    } catch {
      throw Failure(starting: error, at: endpoints)
    }
  }

  /// Both loops of one node's agent; its executors are children of this process.
  ///
  /// - Parameters:
  ///   - member: nil where there is no router.
  ///   - onReady: called once when an executor can take calls.
  /// - Throws: `Failure`: `storageFailed` where shared memory has no room.
  package static func node(
    _ cache: CacheConfiguration, _ supervisor: SupervisorConfiguration,
    member: MemberConfiguration?,
    onReady: @escaping @Sendable () -> Void
  ) throws -> PartProcess {
    let ended = try EndSignal()
    do {
      let context = try Context()
      let caching = try Part.cache(cache, in: context, ended: ended)
      do {
        let supervising = try Part.supervisor(
          supervisor, beside: caching.mailbox, in: context, ended: ended,
          onFirstExecutor: onReady)
        // Executors first: then what they wrote goes to the store.
        return try PartProcess(
          ended, stops: [{ supervising.stop(with: .stop) }, { caching.stop(with: .stop) }],
          member: member, listeningAt: [supervisor.endpoint])
      } catch {
        caching.stop(with: .stop)
        throw error
      }
    } catch {
      throw Failure(starting: error, at: [cache.endpoint, supervisor.endpoint])
    }
  }

  /// Serves until a signal asks for the end, a client does, or a loop has failed; ends in order.
  ///
  /// - Throws: `Failure`: what ended a loop against its will.
  package func serve(untilToldBy signals: borrowing Signals) throws {
    ended.wait(with: signals, onLeave: leave)
    for stop in stops { stop() }
    if let failure = ended.failure { throw failure }
  }
}

/// A socket's path would be taken over even from a process that lives and serves there.
private func refuseTaken(_ endpoints: [String]) throws {
  for endpoint in endpoints where endpoint.hasPrefix("ipc://") {
    guard LocalSocket.isServed(String(endpoint.dropFirst(6))) else { continue }
    throw Failure(
      .portInUse, "another process listens at \(endpoint)",
      hint: "a part of a cluster has endpoints of its own")
  }
}
