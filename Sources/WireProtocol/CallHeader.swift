package import ClusterModel

/// What travels with every call, from the client to the last function of a DAG.
///
/// Layout, little-endian, 72 bytes, then the idempotency key, then the session's bytes:
/// `u8 format version, u8 consistency, u8 write level, u8 attempts at most, u16 caller's try,
/// u16 attempt, u64 scheduler incarnation, u64×2 invocation id, u64×2 trace id, u64 remaining µs,
/// u64 registry version, u16 idempotency key length, u16 memory in MiB, u32 session length`.
package struct CallHeader: Equatable, Sendable {
  package static let formatVersion: UInt8 = 1
  package static let byteCount = 72

  package var invocation: InvocationID
  package var consistency = ConsistencyLevel.lastWriterWins
  /// Nil leaves it to the cluster's default.
  package var writeLevel: WriteLevel?
  /// Attempts until the call is given up, where its executors are lost; zero: the default.
  package var attemptsMax: UInt8 = 0
  /// Memory that the call may take, in MiB; zero: the default.
  package var memoryMebibytes: UInt16 = 0
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
  /// At most 65 535 bytes.
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
    precondition(idempotencyKey.count <= UInt16.max, "an idempotency key is short")
    writer.word(
      UInt64(Self.formatVersion) | UInt64(consistency.rawValue) << 8
        | UInt64(writeLevel?.rawValue ?? 0) << 16 | UInt64(attemptsMax) << 24
        | UInt64(callerTry) << 32 | UInt64(attempt) << 48)
    writer.word(scheduler.number)
    writer.word(invocation.high)
    writer.word(invocation.low)
    writer.word(traceHigh)
    writer.word(traceLow)
    writer.word(remainingMicroseconds)
    writer.word(registryVersion)
    writer.word(
      UInt64(idempotencyKey.count) | UInt64(memoryMebibytes) << 16
        | UInt64(UInt32(session.count)) << 32)
    writer.raw(idempotencyKey)
    writer.raw(session)
    return writer.bytes[...]
  }

  package init(_ bytes: Bytes) throws(WireError) {
    guard bytes.count >= Self.byteCount else { throw .truncated }
    var reader = LittleEndianReader(bytes)
    let word = reader.word()
    guard word.byte(0) == Self.formatVersion else { throw .badFormatVersion(word.byte(0)) }
    guard let consistency = ConsistencyLevel(rawValue: word.byte(1)) else { throw .badTag }
    self.consistency = consistency
    writeLevel = WriteLevel(rawValue: word.byte(2))
    guard word.byte(2) == 0 || writeLevel != nil else { throw .badTag }
    attemptsMax = word.byte(3)
    callerTry = UInt16(truncatingIfNeeded: word >> 32)
    attempt = UInt16(truncatingIfNeeded: word >> 48)
    scheduler = Incarnation(reader.word())
    invocation = InvocationID(high: reader.word(), low: reader.word())
    traceHigh = reader.word()
    traceLow = reader.word()
    remainingMicroseconds = reader.word()
    registryVersion = reader.word()
    let counts = reader.word()
    memoryMebibytes = UInt16(truncatingIfNeeded: counts >> 16)
    let keyCount = Int(UInt16(truncatingIfNeeded: counts))
    let sessionCount = Int(counts >> 32)
    guard reader.rest.count >= keyCount + sessionCount else { throw .truncated }
    idempotencyKey = reader.take(keyCount)
    session = reader.take(sessionCount)
  }
}
