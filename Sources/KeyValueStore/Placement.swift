import ClusterModel

/// What a view of the ring means for one shard.
struct Placement {
  let view: RingView
  let me: RingMember
  /// No other shard lives or has ever held a key: nothing needs to be asked or told.
  let isAlone: Bool
  /// The cluster goes on without this life of the shard.
  let isFenced: Bool
  /// Held keys before the change under way, in this life.
  let isFullHolder: Bool
  /// Shards that have not handed over everything yet; empty: this one has what it is to hold.
  var awaited: Set<RingMember> = []

  init(_ view: RingView, of me: RingMember, in life: Incarnation) {
    self.view = view
    self.me = me
    let living = view.shard(me)
    isFenced = view.epoch > 0 && living?.incarnation != life
    isAlone = view.isSettled && view.shards.count == 1 && !isFenced && view.epoch > 0
    isFullHolder = !isFenced && view.isFullHolder(me)
  }

  var isPlaced: Bool { view.ring.members.contains(me) }

  func isOwner(of hash: UInt64) -> Bool {
    isAlone || (!isFenced && view.owners(of: hash).contains(me))
  }

  func isFirstOwner(of hash: UInt64) -> Bool { isAlone || view.ring.owner(of: hash) == me }

  /// The other shards that are to have every change of a key: its owners, and those who held it
  /// before for as long as somebody may ask them.
  func others(of hash: UInt64) -> [RingMember] {
    if isAlone { return [] }
    var others = view.owners(of: hash).filter { $0 != me }
    for holder in view.holdersBefore(of: hash) where holder != me && !others.contains(holder) {
      others.append(holder)
    }
    return others
  }

  /// Whom to ask before anything is said about a key; empty where this shard knows it.
  func toAsk(about hash: UInt64) -> [RingMember] {
    guard !awaited.isEmpty else { return [] }
    let before = view.holdersBefore(of: hash)
    if isFullHolder, before.contains(me) { return [] }
    return before.filter { $0 != me }
  }

  /// All who held a key before are away: what they have in their logs comes back with one of them.
  func isOutOfReach(_ hash: UInt64) -> Bool {
    guard !awaited.isEmpty || !view.isSettled, let previous = view.previous else { return false }
    return previous.owners(of: hash, copies: view.copies).allSatisfy { view.shard($0) == nil }
  }

  /// To whom this shard hands a key over in a change of the ring: to every owner that did not hold it
  /// before, if this one is the first of the holders that live.
  ///
  /// What a shard has of keys that were not its own (left from an earlier life, in its log) goes to
  /// their owners: nobody else may have it.
  func heirs(of hash: UInt64) -> [RingMember] {
    let before = view.holdersBefore(of: hash)
    let full = before.filter(view.isFullHolder)
    let isMine = full.first == me || (full.isEmpty && before.first == me) || !before.contains(me)
    guard isMine else { return [] }
    return view.owners(of: hash).filter { $0 != me && !full.contains($0) }
  }
}
