public import CloudburstValues
import ClusterModel
import Lattices
import RecordReading
import WireProtocol

extension StoredRecord {
  public enum Content: Hashable, Sendable {
    /// The last write won.
    case value(EncodedValue)
    case counter(Int64)
    case growCounter(Int64)
    /// The elements, in ascending order of their bytes.
    case set([EncodedValue])
    case orderedSet([EncodedValue])
    case removableSet([EncodedValue])
    /// An integer or a double.
    case maximum(AnyValue)
    /// An integer or a double.
    case minimum(AnyValue)
    case flag(Bool)
    case priority(Double, EncodedValue)
    /// Of a last-writer-wins map, the fields that are there.
    case fields([String: EncodedValue])
    /// Of a map of lattices, every field as one who knows nothing of lattices reads it.
    case map([String: AnyValue])
    /// About how many different elements were added.
    case estimate(UInt64)
    /// The versions that no later write has seen.
    case versions([CausalVersion])
  }

  /// One of the versions of a causal value.
  public struct CausalVersion: Hashable, Sendable {
    /// By writer, how many of its writes this version has seen.
    public let clock: [String: UInt32]
    /// By key, the versions of other keys that this one depends on.
    public let dependencies: [String: [String: UInt32]]
    /// One, except where writers used one clock twice.
    public let values: [EncodedValue]
  }
}

extension StoredRecord.Content {
  init(_ record: Record) throws {
    if record.lattice == .lastWriterWins {
      self = .value(try EncodedValue(wireEncoding: record.encoding, bytes: record.payload))
      return
    }
    guard let value = record.latticeValue else {
      throw CloudburstError(.internalError, "its bytes are no \(record.lattice)")
    }
    let encoding = record.encoding
    func elements(_ set: GrowSet) -> [EncodedValue] {
      set.elements.map { EncodedValue(element: $0, wireEncoding: encoding) }
    }
    switch value {
    case .register(let value):
      self = .value(try EncodedValue(wireEncoding: value.encoding, bytes: value.value))
    case .set(let set): self = .set(elements(set))
    case .orderedSet(let set): self = .orderedSet(elements(set))
    case .singleKeyCausal(let value), .multiKeyCausal(let value):
      self = .versions(
        value.versions.map { version in
          StoredRecord.CausalVersion(
            clock: version.clock.counts,
            dependencies: Dictionary(
              uniqueKeysWithValues: version.dependencies.map {
                (String(decoding: $0.key, as: UTF8.self), $0.clock.counts)
              }), values: elements(version.values))
        })
    case .priority(let value):
      self = .priority(
        value.priority, EncodedValue(element: value.value, wireEncoding: encoding))
    case .counter(let counter): self = .counter(counter.value)
    case .growCounter(let counter): self = .growCounter(counter.value)
    case .maximum(let maximum): self = .maximum(maximum.value.reading)
    case .minimum(let minimum): self = .minimum(minimum.value.reading)
    case .flag(let flag): self = .flag(flag.isRaised)
    case .map(let map): self = .map(map.reading)
    case .observedRemoveSet(let set):
      self = .removableSet(
        set.elements.map { EncodedValue(element: $0.value, wireEncoding: $0.encoding) })
    case .registerMap(let map): self = .fields(map.reading)
    case .hyperLogLog(let estimate): self = .estimate(estimate.estimate)
    }
  }
}

extension VectorClock {
  var counts: [String: UInt32] {
    var counts: [String: UInt32] = [:]
    for entry in entries { counts[String(decoding: entry.writer, as: UTF8.self)] = entry.count }
    return counts
  }

  init(counts: [String: UInt32]) {
    self.init()
    for (writer, count) in counts { merge(VectorClock([writer: count])) }
  }
}
