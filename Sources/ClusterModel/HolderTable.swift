/// Who held each key before the change of the ring that is under way, and whether those who live can
/// say what became of it.
///
/// They can where one of them is a full holder, or has only been away for moments in which none of
/// the key's other holders was there, or where all of them are back: then their logs together have
/// every write that was acknowledged as durable.
package struct HolderTable: Sendable {
  private enum State {
    case away
    /// In its next life: it has what its log kept.
    case returned
    case full
  }

  private let table: OwnerTable
  private let states: [State]
  /// By index: whether the first was overtaken by the second.
  private let overtaken: [[Bool]]

  init(_ view: RingView) {
    table = view.previous.map { OwnerTable(ring: $0, copies: view.copies) } ?? .none
    states = table.members.map { member in
      guard view.shard(member) != nil else { return .away }
      return view.isFullHolder(member) ? .full : .returned
    }
    let members = table.members
    overtaken = members.map { member in
      let names = Set(view.holders.first { $0.member == member }?.overtakenBy ?? [])
      return members.map { names.contains($0.name) }
    }
  }

  /// Of nobody.
  package static let none = HolderTable(.none)

  /// Those who held a key and live, in whatever life.
  package func living(of hash: UInt64) -> [RingMember] {
    table.owners(of: hash).lazy.filter { states[Int($0)] != .away }.map { table.members[Int($0)] }
  }

  /// Whether nobody who lives knows all that was acknowledged of a key. Allocates nothing.
  package func isOutOfReach(_ hash: UInt64) -> Bool { isOutOfReach(table.owners(of: hash)) }

  /// Whether there is a key out of reach.
  package var isAnyOutOfReach: Bool {
    table.width > 0 && table.stretches.contains(where: isOutOfReach)
  }

  private func isOutOfReach(_ holders: ArraySlice<UInt16>) -> Bool {
    var isAnyAway = false
    for holder in holders {
      switch states[Int(holder)] {
      case .full: return false
      case .returned:
        let isBehind = holders.contains { overtaken[Int(holder)][Int($0)] }
        if !isBehind { return false }
      case .away: isAnyAway = true
      }
    }
    return isAnyAway
  }
}
