package import ClusterModel

/// What travels with every call, from the client to the last function of a DAG.
///
/// Layout, little-endian, 72 bytes, then the idempotency key, then the session's bytes:
/// `u8 format version, u8 consistency, u8 write level, u8 flags, u16 caller's try, u16 attempt,
/// u64 scheduler incarnation, u64×2 invocation id, u64×2 trace id, u64 remaining µs,
/// u64 registry version, u16 idempotency key length, u16 zero, u32 session length`.
package struct CallHeader: Equatable, Sendable {
  package static let formatVersion: UInt8 = 1
  package static let byteCount = 72

  package var invocation: InvocationID
  package var consistency = ConsistencyLevel.lastWriterWins
  /// Nil leaves it to the cluster's default.
  package var writeLevel: WriteLevel?
  /// An attempt is (caller's try, scheduler incarnation, attempt): one starts only when the one
  /// before is provably over.
  package var callerTry: UInt16 = 0
  package var attempt: UInt16 = 0
  package var scheduler = Incarnation(0)
  package var traceHigh: UInt64 = 0
  package var traceLow: UInt64 = 0
  /// Time left when the frame was sent, in microseconds: durations travel, instants do not.
  package var remainingMicroseconds: UInt64 = 0
  /// The registry's version at acceptance.
  package var registryVersion: UInt64 = 0
  package var idempotencyKey: Bytes = []
  /// `SessionToken` bytes.
  package var session: Bytes = []

  package init(invocation: InvocationID) { self.invocation = invocation }

  package var remaining: Duration {
    get { .microseconds(Int64(clamping: remainingMicroseconds)) }
    set { remainingMicroseconds = newValue.wholeMicroseconds }
  }

  package func encoded() -> Bytes {
    var writer = ProtobufWriter(
      reserving: Self.byteCount + idempotencyKey.count + session.count)
    writer.raw([Self.formatVersion, consistency.rawValue, writeLevel?.rawValue ?? 0, 0])
    withUnsafeBytes(of: callerTry.littleEndian) { writer.raw($0) }
    withUnsafeBytes(of: attempt.littleEndian) { writer.raw($0) }
    let numbers = [
      scheduler.number, invocation.high, invocation.low, traceHigh, traceLow,
      remainingMicroseconds, registryVersion,
    ]
    for number in numbers { withUnsafeBytes(of: number.littleEndian) { writer.raw($0) } }
    withUnsafeBytes(of: UInt16(clamping: idempotencyKey.count).littleEndian) { writer.raw($0) }
    writer.raw([0, 0])
    withUnsafeBytes(of: UInt32(session.count).littleEndian) { writer.raw($0) }
    writer.raw(idempotencyKey)
    writer.raw(session)
    return writer.bytes[...]
  }

  package init(_ bytes: Bytes) throws(WireError) {
    guard bytes.count >= Self.byteCount else { throw .truncated }
    var reader = LittleEndianReader(bytes)
    let version: UInt8 = reader.read()
    guard version == Self.formatVersion else { throw .badFormatVersion(version) }
    guard let consistency = ConsistencyLevel(rawValue: reader.read()) else { throw .badTag }
    self.consistency = consistency
    let level: UInt8 = reader.read()
    writeLevel = WriteLevel(rawValue: level)
    guard level == 0 || writeLevel != nil else { throw .badTag }
    let _: UInt8 = reader.read()
    callerTry = reader.read()
    attempt = reader.read()
    scheduler = Incarnation(reader.read())
    invocation = InvocationID(high: reader.read(), low: reader.read())
    traceHigh = reader.read()
    traceLow = reader.read()
    remainingMicroseconds = reader.read()
    registryVersion = reader.read()
    let keyCount = Int(reader.read() as UInt16)
    let _: UInt16 = reader.read()
    let sessionCount = Int(reader.read() as UInt32)
    guard reader.rest.count >= keyCount + sessionCount else { throw .truncated }
    idempotencyKey = reader.take(keyCount)
    session = reader.take(sessionCount)
  }
}

extension Duration {
  /// Never negative; saturates.
  package var wholeMicroseconds: UInt64 {
    let (seconds, attoseconds) = components
    guard seconds >= 0, attoseconds >= 0 else { return 0 }
    let (whole, overflow) = UInt64(seconds).multipliedReportingOverflow(by: 1_000_000)
    return overflow ? .max : whole + UInt64(attoseconds / 1_000_000_000_000)
  }
}
