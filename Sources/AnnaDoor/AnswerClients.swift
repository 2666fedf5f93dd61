import ClusterModel

/// The clients that answers are sent to, each over a connection that we dial: never more than the
/// limit, whatever addresses strangers name.
struct AnswerClients {
  private struct Client {
    /// Nil once the connection is up.
    var lateAt: UInt64?
    /// Counts uses; unique, so the order of eviction is one.
    var usedAt: UInt64
  }

  private let limits: AnnaDoor.Limits
  private var table: [AnswerAddress: Client] = [:]
  private var dialing = 0
  private var uses: UInt64 = 0
  /// When the first of those that are dialled is late; may be too early.
  private(set) var deadline: UInt64?

  init(_ limits: AnnaDoor.Limits) { self.limits = limits }

  var count: Int { table.count }

  /// - Returns: whether the client has to be dialled.
  mutating func use(_ address: AnswerAddress, at now: UInt64) -> Bool {
    uses += 1
    if table[address] != nil {
      table[address]?.usedAt = uses
      return false
    }
    let lateAt = now &+ limits.dialPatience.wholeNanoseconds
    table[address] = Client(lateAt: lateAt, usedAt: uses)
    dialing += 1
    deadline = min(deadline ?? lateAt, lateAt)
    return true
  }

  mutating func ready(_ address: AnswerAddress) {
    guard table[address]?.lateAt != nil else { return }
    table[address]?.lateAt = nil
    dialing -= 1
  }

  /// - Returns: whether it was there.
  mutating func remove(_ address: AnswerAddress) -> Bool {
    guard let client = table.removeValue(forKey: address) else { return false }
    if client.lateAt != nil { dialing -= 1 }
    return true
  }

  /// Takes out those that are too many. Strangers that cannot be reached push out each other, not the
  /// clients that can.
  mutating func takeSurplus(keeping newest: AnswerAddress) -> [AnswerAddress] {
    var surplus: [AnswerAddress] = []
    if dialing > limits.dialingMax, let oldest = oldest(isDialing: true, but: newest) {
      surplus.append(oldest)
    } else if table.count > limits.clientsMax,
      let oldest = oldest(isDialing: false, but: newest) ?? oldest(isDialing: true, but: newest)
    {
      surplus.append(oldest)
    }
    for address in surplus { _ = remove(address) }
    return surplus
  }

  /// Takes out those that could not be reached in time, oldest first.
  mutating func takeLate(at now: UInt64) -> [AnswerAddress] {
    guard let deadline, deadline <= now else { return [] }
    let late = table.filter { ($0.value.lateAt ?? .max) <= now }
      .sorted { $0.value.usedAt < $1.value.usedAt }.map(\.key)
    for address in late { _ = remove(address) }
    self.deadline = table.values.compactMap(\.lateAt).min()
    return late
  }

  private func oldest(isDialing: Bool, but newest: AnswerAddress) -> AnswerAddress? {
    table.filter { ($0.value.lateAt != nil) == isDialing && $0.key != newest }
      .min { $0.value.usedAt < $1.value.usedAt }?.key
  }
}
