import ClusterModel
import WireProtocol

extension StorageShard {
  mutating func get(_ request: KeyRequest, for asker: Asker, at now: Now) -> [KeyTuple] {
    var bytes = 0
    return request.tuples.map { asked in
      var answer = KeyTuple(key: asked.key)
      guard Key(checking: asked.key.bytes) != nil else {
        answer.failure = Self.keyInvalid(asked.key)
        return answer
      }
      let hash = StableHash.of(asked.key.bytes)
      if request.subscribe || !servesReplica(of: asked.key.bytes, hash),
        let failure = refusal(of: asked.key)
      {
        answer.failure = failure
        return answer
      }
      rates.note(hash, at: now.monotonic)
      let entry = table.find(asked.key, hash)
      if let entry { table.touch(entry) }
      fill(&answer, from: entry, at: now)
      if answer.failure == nil, answer.version < asked.version {
        answer.record = []
        answer.failure = Failure(
          .keyNotFound, "the version asked for of \(asked.key) is not here")
      }
      bytes += answer.record.count
      if bytes > limits.answerBytesMax {
        answer.record = []
        answer.failure = Failure(.overloaded, "the answer would be too long: ask for fewer keys")
      }
      if request.subscribe, let failure = subscribe(asker, to: asked.key, entry, at: now) {
        answer.record = []
        answer.failure = failure
      }
      return answer
    }
  }

  /// An absent key fails with `KEY_NOT_FOUND`; the version then is its tombstone's, if it has one.
  func fill(_ answer: inout KeyTuple, from entry: Int?, at now: Now) {
    guard let entry else {
      answer.failure = Self.keyNotFound(answer.key)
      return
    }
    answer.version = table[entry].version
    if table[entry].isAbsent(at: now.wall) {
      if let tombstone = table[entry].buried(at: now.wall) {
        answer.version = tombstone.version
      }
      answer.failure = Self.keyNotFound(answer.key)
    } else {
      answer.record = table[entry].envelope
    }
  }

  /// A page of the keys that begin with the first tuple's key. A key that is there from the first
  /// page to the last is listed once; the order means nothing. A page may be empty with more to
  /// come; only a cursor of zero is the end. Cursors hold for one incarnation of the shard.
  ///
  /// Each shard lists the keys whose first owner it is; so those of all shards are all keys, once.
  func list(_ request: KeyRequest, at now: Now, into response: inout KeyResponse) {
    guard placement.awaited.isEmpty else {
      response.failure = Failure(
        .unavailable, "\(configuration.me) is still being handed its keys",
        hint: "ask again in a moment")
      response.failure?.retryAfter = .milliseconds(100)
      return
    }
    let prefix = request.tuples.first?.key.bytes ?? []
    let asked = request.pageSize == 0 ? limits.listPageKeysMax : Int(request.pageSize)
    let keysMax = min(asked, limits.listPageKeysMax)
    let start = Int(clamping: request.cursor)
    var number = min(start, table.count)
    let end = min(table.count, number + limits.listRecordsPerStepMax)
    while number < end, response.tuples.count < keysMax {
      let entry = table[number]
      if !entry.isFree, entry.keyBytes.starts(with: prefix), !entry.isAbsent(at: now.wall),
        placement.isFirstOwner(of: entry.hash)
      {
        response.tuples.append(KeyTuple(key: entry.key))
      }
      number += 1
    }
    response.cursor = number < table.count ? UInt64(number) : 0
  }

  static func keyNotFound(_ key: Key) -> Failure {
    Failure(.keyNotFound, "there is no value under \(key)")
  }

  static func keyInvalid(_ key: Key) -> Failure {
    let found = "this one has \(key.bytes.count) bytes"
    return Failure(.keyInvalid, "a key is 1 to \(Limits.keyBytesMax) bytes of UTF-8; \(found)")
  }
}
