import ClusterModel
import WireProtocol

extension StorageShard {
  /// What is known here of each key: nothing is guessed, and what is not counted is left out.
  func explain(_ request: KeyRequest, at now: Now) -> [KeyTuple] {
    request.tuples.map { asked in
      var answer = KeyTuple(key: asked.key)
      guard Key(checking: asked.key.bytes) != nil else {
        answer.failure = Self.keyInvalid(asked.key)
        return answer
      }
      guard let entry = table.find(asked.key), !table[entry].isAbsent(at: now.wall) else {
        answer.failure = Self.keyNotFound(asked.key)
        return answer
      }
      let record = table[entry].record
      answer.version = record.version
      answer.latticeType = UInt32(record.lattice.rawValue)
      answer.payload = explanation(of: entry, record, asked.key).encoded()[...]
      return answer
    }
  }

  private func explanation(of entry: Int, _ record: Record, _ key: Key) -> KeyExplanation {
    var explanation = KeyExplanation()
    var holder = KeyExplanation.Holder()
    holder.incarnation = Incarnation(configuration.actor)
    holder.isOwner = true
    holder.version = record.version
    explanation.holders = [holder]
    explanation.payloadBytes = UInt64(record.payload.count)
    explanation.storedBytes = UInt64(key.bytes.count + table[entry].envelope.count)
    explanation.expiry = record.expiry
    explanation.isInMemory = true
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
}
