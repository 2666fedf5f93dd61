import ClusterModel

extension CloudburstClient.WriteLevel {
  var wire: ClusterModel.WriteLevel {
    switch self {
    case .cached: .cached
    case .accepted: .accepted
    case .replicated: .replicated
    case .durable: .durable
    }
  }
}

extension CloudburstClient.Consistency {
  var wire: ConsistencyLevel {
    switch self {
    case .lastWriterWins: .lastWriterWins
    case .repeatableRead: .repeatableRead
    case .singleKeyCausal: .singleKeyCausal
    case .multiKeyCausal: .multiKeyCausal
    case .causal: .causal
    }
  }
}
