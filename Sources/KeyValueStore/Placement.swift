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
  private let holders: HolderTable

  init(_ view: RingView, of me: RingMember, in life: Incarnation) {
    self.view = view
    self.me = me
    let living = view.shard(me)
    isFenced = view.epoch > 0 && living?.incarnation != life
    isAlone = view.isSettled && view.shards.count == 1 && !isFenced && view.epoch > 0
    isFullHolder = !isFenced && view.isFullHolder(me)
    owners = OwnerTable(ring: view.ring, copies: view.copies)
    place = owners.members.firstIndex(of: me).map { UInt16($0) }
    holders = view.isSettled ? .none : view.holderTable
  }

  var isPlaced: Bool { place != nil }

  /// Whether no key moves, as far as this shard knows, and it belongs to the cluster.
  var isQuiet: Bool { view.isSettled && awaited.isEmpty && !isFenced }

  /// Allocates nothing.
  func isOwner(of hash: UInt64) -> Bool {
    if isAlone { return true }
    guard let place, !isFenced else { return false }
    return owners.owners(of: hash).contains(place)
  }

  func isFirstOwner(of hash: UInt64) -> Bool {
    isAlone || (place != nil && owners.owner(of: hash) == place)
  }

  /// Whether both this shard and another one are to hold a key. Allocates nothing.
  func isShared(_ hash: UInt64, with other: RingMember) -> Bool {
    let owners = owners.owners(of: hash)
    guard let place, owners.contains(place) else { return false }
    return owners.contains { self.owners.members[Int($0)] == other }
  }

  /// The other shards that are to have every change of a key: its owners, and those who held it
  /// before for as long as somebody may ask them.
  func others(of hash: UInt64) -> [RingMember] {
    if isAlone { return [] }
    var others = members(of: hash).filter { $0 != me }
    for holder in holders.living(of: hash) where holder != me && !others.contains(holder) {
      others.append(holder)
    }
    return others
  }

  /// Whom to ask before anything is said about a key; empty where this shard knows it.
  func toAsk(about hash: UInt64) -> [RingMember] {
    guard !awaited.isEmpty else { return [] }
    let before = holders.living(of: hash)
    if isFullHolder, before.contains(me) { return [] }
    return before.filter { $0 != me }
  }

  /// Whether nobody who lives knows all that was acknowledged of a key: what is missing lies in the
  /// logs of those who are away.
  ///
  /// Allocates nothing.
  func isOutOfReach(_ hash: UInt64) -> Bool { !view.isSettled && holders.isOutOfReach(hash) }

  /// To whom this shard hands a key over in a change of the ring: to every owner that did not hold it
  /// before, if this one is the first of the full holders that live. Where none of those lives, each of
  /// the others has what its own log kept, so all of them do.
  ///
  /// What a shard has of keys that were not its own (left from an earlier life, in its log) goes to
  /// their owners: nobody else may have it.
  func heirs(of hash: UInt64, bringsLeftovers: Bool) -> [RingMember] {
    let before = holders.living(of: hash)
    // What was its own in this life has been handed over already, and may have been deleted since.
    guard bringsLeftovers || before.contains(me) else { return [] }
    let full = before.filter(view.isFullHolder)
    let isMine = full.first == me || full.isEmpty || !before.contains(me)
    guard isMine else { return [] }
    return members(of: hash).filter { $0 != me && !full.contains($0) }
  }

  /// The owners, the first one first.
  func members(of hash: UInt64) -> [RingMember] {
    owners.owners(of: hash).map { owners.members[Int($0)] }
  }
}
