/// A value for each lane that has one: a dictionary that costs nothing to look into.
struct LaneTable<Value> {
  /// The scheduler's, then the shards'.
  private var values: [Value?] = []

  /// The lanes with a value, in order.
  var lanes: [Lane] {
    values.indices.compactMap { values[$0] == nil ? nil : Lane(index: $0) }
  }

  subscript(lane: Lane) -> Value? {
    _read {
      if lane.index < values.count { yield values[lane.index] } else { yield nil }
    }
    _modify {
      while values.count <= lane.index { values.append(nil) }
      yield &values[lane.index]
    }
  }

  func forEach(_ body: (Value) -> Void) {
    for index in values.indices {
      if let value = values[index] { body(value) }
    }
  }
}

extension Lane {
  fileprivate init(index: Int) { self = index == 0 ? .scheduler : .shard(index - 1) }

  fileprivate var index: Int {
    switch self {
    case .scheduler: 0
    case .shard(let index): index + 1
    }
  }
}
