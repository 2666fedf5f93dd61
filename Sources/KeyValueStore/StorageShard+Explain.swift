import ClusterModel
import WireProtocol

extension StorageShard {
  /// What is known here of each key: nothing is guessed, and what is not counted is left out.
  ///
  /// Asking does not count as a request.
  func explain(_ request: KeyRequest, at now: Now) -> [KeyTuple] {
    request.tuples.map { asked in
      var answer = KeyTuple(key: asked.key)
      guard Key(checking: asked.key.bytes) != nil else {
        answer.failure = Self.keyInvalid(asked.key)
        return answer
      }
      if let failure = refusal(of: asked.key) {
        answer.failure = failure
        return answer
      }
      guard let entry = table.find(asked.key), !table[entry].isAbsent(at: now.wall) else {
        answer.failure = Self.keyNotFound(asked.key)
        return answer
      }
      answer.version = table[entry].version
      answer.latticeType = UInt32(table[entry].header.lattice)
      var explanation = explanation(of: entry, asked.key)
      let hash = table[entry].hash
      let elsewhere = hotKeys[hash]?.replicas.reduce(0) { $0 + $1.requests } ?? 0
      explanation.requests = rates.count(of: hash, at: now.monotonic) + elsewhere
      explanation.rateSeconds = UInt32(AccessRates.window / .seconds(1))
      answer.payload = explanation.encoded()[...]
      return answer
    }
  }

  private func explanation(of entry: Int, _ key: Key) -> KeyExplanation {
    var explanation = KeyExplanation()
    explanation.holders = holders(of: entry, table[entry].version)
    explanation.payloadBytes = UInt64(table[entry].payloadByteCount)
    explanation.storedBytes = UInt64(key.bytes.count + table[entry].envelopeByteCount)
    explanation.expiry = table[entry].expiry
    explanation.isInMemory = !table[entry].isCold
    explanation.isLogged = configuration.hasLog && table[entry].logSequence <= log.persisted
    for interest in interests[key] ?? [] {
      if interest.kind == .subscription {
        explanation.subscriptions += 1
      } else {
        explanation.watches += 1
      }
    }
    return explanation
  }

  /// The copies by the newest ring, the owner first. Of another shard's copy is known whether it has
  /// every change that was made here.
  private func holders(of entry: Int, _ version: Version) -> [KeyExplanation.Holder] {
    let hash = table[entry].hash
    let owners = placement.isAlone ? [configuration.me] : placement.members(of: hash)
    let extra = hotKeys[hash]?.replicas.filter(\.isServing).map(\.member) ?? []
    return (owners + extra).enumerated().map { place, member in
      var holder = KeyExplanation.Holder()
      holder.member = member.description
      holder.isOwner = place == 0
      holder.isExtra = place >= owners.count
      if member == configuration.me {
        holder.incarnation = configuration.life
        holder.version = version
      } else if let link = linkIndex(member) {
        holder.incarnation = links[link].incarnation
        if links[link].sequence(of: entry) <= links[link].merged { holder.version = version }
      }
      return holder
    }
  }
}
