import ClusterModel

/// What a view of the ring means for one shard.
///
/// Who holds a key is looked up for each request, so both rings are kept as tables.
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
  private let owners: OwnerTable
  /// This shard's index in `owners`; nil: it is to hold nothing.
  private let place: UInt16?
  /// Who held a key before the change under way; of nobody when there is none.
  private let holders: OwnerTable
  /// Of each member of `holders`, whether it lives, in whatever life.
  private let isLiving: [Bool]

  init(_ view: RingView, of me: RingMember, in life: Incarnation) {
    self.view = view
    self.me = me
    let living = view.shard(me)
    isFenced = view.epoch > 0 && living?.incarnation != life
    isAlone = view.isSettled && view.shards.count == 1 && !isFenced && view.epoch > 0
    isFullHolder = !isFenced && view.isFullHolder(me)
    owners = OwnerTable(ring: view.ring, copies: view.copies)
    place = owners.members.firstIndex(of: me).map { UInt16($0) }
    holders = view.previous.map { OwnerTable(ring: $0, copies: view.copies) } ?? .none
    isLiving = holders.members.map { view.shard($0) != nil }
  }

  var isPlaced: Bool { place != nil }

  /// Allocates nothing.
  func isOwner(of hash: UInt64) -> Bool {
    if isAlone { return true }
    guard let place, !isFenced else { return false }
    return owners.owners(of: hash).contains(place)
  }

  func isFirstOwner(of hash: UInt64) -> Bool {
    isAlone || (place != nil && owners.owner(of: hash) == place)
  }

  /// The other shards that are to have every change of a key: its owners, and those who held it
  /// before for as long as somebody may ask them.
  func others(of hash: UInt64) -> [RingMember] {
    if isAlone { return [] }
    var others = members(of: hash).filter { $0 != me }
    for holder in livingHolders(of: hash) where holder != me && !others.contains(holder) {
      others.append(holder)
    }
    return others
  }

  /// Whom to ask before anything is said about a key; empty where this shard knows it.
  func toAsk(about hash: UInt64) -> [RingMember] {
    guard !awaited.isEmpty else { return [] }
    let before = livingHolders(of: hash)
    if isFullHolder, before.contains(me) { return [] }
    return before.filter { $0 != me }
  }

  /// All who held a key before are away: what they have in their logs comes back with one of them.
  ///
  /// Allocates nothing.
  func isOutOfReach(_ hash: UInt64) -> Bool {
    !view.isSettled && holders.owners(of: hash).allSatisfy { !isLiving[Int($0)] }
  }

  /// To whom this shard hands a key over in a change of the ring: to every owner that did not hold it
  /// before, if this one is the first of the holders that live.
  ///
  /// What a shard has of keys that were not its own (left from an earlier life, in its log) goes to
  /// their owners: nobody else may have it.
  func heirs(of hash: UInt64) -> [RingMember] {
    let before = livingHolders(of: hash)
    let full = before.filter(view.isFullHolder)
    let isMine = full.first == me || (full.isEmpty && before.first == me) || !before.contains(me)
    guard isMine else { return [] }
    return members(of: hash).filter { $0 != me && !full.contains($0) }
  }

  private func members(of hash: UInt64) -> [RingMember] {
    owners.owners(of: hash).map { owners.members[Int($0)] }
  }

  private func livingHolders(of hash: UInt64) -> [RingMember] {
    holders.owners(of: hash).lazy.filter { isLiving[Int($0)] }.map { holders.members[Int($0)] }
  }
}
