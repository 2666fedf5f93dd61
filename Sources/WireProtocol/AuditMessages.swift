package import ClusterModel

/// What one shard holds together with another, summed up by stretches of the hash space, so that the
/// other can see where their copies differ.
package struct RangeDigest: WireMessage {
  /// Of the ring by which both hold what they hold; that of another one says nothing.
  package var epoch: UInt64 = 0
  /// Records stamped from here on are left out: they may be on their way.
  package var cutoff: UInt64 = 0
  /// One sum of 8 bytes (little-endian) for each stretch.
  package var sums: Bytes = []

  package init() {}

  package func encode(into writer: inout ProtobufWriter) {
    writer.field(1, epoch)
    writer.fixed64(2, cutoff)
    writer.field(3, sums)
  }

  package mutating func decodeField(from reader: inout ProtobufReader) throws(WireError) {
    switch reader.field {
    case 1: epoch = try reader.uint64()
    case 2: cutoff = try reader.fixed64()
    case 3: sums = try reader.bytesField()
    default: try reader.skip()
    }
  }
}

/// Asks a shard for all it holds in some stretches together with the sender, who sends what it has. Of
/// none: all is equal.
package struct RangeRepair: WireMessage {
  package var epoch: UInt64 = 0
  /// Numbers of stretches, 2 bytes each (little-endian).
  package var stretches: Bytes = []

  package init() {}

  package func encode(into writer: inout ProtobufWriter) {
    writer.field(1, epoch)
    writer.field(2, stretches)
  }

  package mutating func decodeField(from reader: inout ProtobufReader) throws(WireError) {
    switch reader.field {
    case 1: epoch = try reader.uint64()
    case 2: stretches = try reader.bytesField()
    default: try reader.skip()
    }
  }
}
