package import ClusterModel
import WireProtocol

/// Watched keys: asked again at whoever is asked for the key now, whenever that changes.
extension StoreRoutes {
  mutating func watch(
    _ key: Key, as number: UInt64, _ now: UInt64, _ effects: inout [Effect]
  ) {
    precondition(watches[number] == nil && asks[number] == nil, "a number names one watch")
    watches[number] = Watch(key: key, hash: StableHash.of(key.bytes))
    ask(watch: number, now, &effects)
  }

  mutating func unwatch(_ number: UInt64, _ effects: inout [Effect]) {
    guard let watch = watches.removeValue(forKey: number) else { return }
    pauses.remove(number)
    leave(watch, number, &effects)
  }

  private func leave(_ watch: Watch, _ number: UInt64, _ effects: inout [Effect]) {
    guard let index = watch.link, links[index]?.isUp == true else { return }
    effects.append(.send(Empty().framed(.unwatch, number: number), over: Route(index)))
  }

  /// Asks where the key belongs, once that can be reached.
  mutating func ask(watch number: UInt64, _ now: UInt64, _ effects: inout [Effect]) {
    guard let watch = watches[number], watch.link == nil,
      let index = choose(watch.hash, nil, now, &effects), let link = links[index]
    else { return }
    if let refusal = link.refusal { return end(watch: number, refusal, &effects) }
    guard link.isUp else {
      links[index]?.isWanted = true
      return
    }
    var request = WatchRequest()
    request.key = watch.key
    // Another life may be behind what was seen of this one: then its state, whatever it is, is news.
    if watch.incarnation == link.incarnation { request.known = watch.known }
    watches[number]?.link = index
    effects.append(.send(request.framed(.watch, number: number), over: Route(index)))
  }

  /// Those that nobody was asked for.
  mutating func resumeWatches(_ now: UInt64, _ effects: inout [Effect]) {
    for number in watches.keys.sorted() where watches[number]?.link == nil {
      ask(watch: number, now, &effects)
    }
  }

  /// After a change of the ring.
  mutating func moveWatches(_ now: UInt64, _ effects: inout [Effect]) {
    for number in watches.keys.sorted() {
      guard let watch = watches[number] else { continue }
      if let index = watch.link {
        guard choose(watch.hash, nil, now, &effects) != index else { continue }
        leave(watch, number, &effects)
        watches[number]?.link = nil
      }
      ask(watch: number, now, &effects)
    }
  }

  /// What the watcher has seen, so that the same shard need not say it again.
  package mutating func note(_ version: Version, seenBy number: UInt64) {
    guard let index = watches[number]?.link else { return }
    watches[number]?.known = version
    watches[number]?.incarnation = links[index]?.incarnation
  }

  mutating func take(
    event: KeyResponse, of number: UInt64, from index: Int, _ now: UInt64,
    _ effects: inout [Effect]
  ) {
    // Of a shard that the watch has left.
    guard watches[number]?.link == index else { return }
    let failure = event.failure ?? event.tuples.first?.failure
    if let failure, failure.code != .keyNotFound {
      return refuse(watch: number, failure, now, &effects)
    }
    watches[number]?.refusals = 0
    effects.append(.event(event, watch: number, by: Route(index)))
  }

  mutating func refuse(
    watch number: UInt64, _ failure: Failure, _ now: UInt64, _ effects: inout [Effect]
  ) {
    guard isForAnother(failure) else { return end(watch: number, failure, &effects) }
    watches[number]?.link = nil
    watches[number]?.refusals += 1
    pause(number, watches[number]?.refusals ?? 1, now)
  }

  mutating func end(watch number: UInt64, _ failure: Failure, _ effects: inout [Effect]) {
    guard watches.removeValue(forKey: number) != nil else { return }
    pauses.remove(number)
    effects.append(.watchFailed(failure, watch: number))
  }
}
