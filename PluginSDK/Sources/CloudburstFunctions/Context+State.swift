extension Context {
  /// What the key holds, or `nil` if there is no such key; sees this call's own writes.
  ///
  /// Waits for the store if the value is not at hand. Throws `ValueError` if the value is none of `V`.
  public func get<V: Value>(_ key: String, as type: V.Type = V.self) throws -> V? {
    try read(key) { stored in try stored.value(of: key) }
  }

  /// As the sync form; other calls run on this loop while it waits.
  public func get<V: Value>(_ key: String, as type: V.Type = V.self) async throws -> V? {
    try await read(key) { stored in try stored.value(of: key) }
  }

  /// Makes the key hold the value; of concurrent writers the last wins.
  ///
  /// Does not wait for the store: the call's result is released when its writes are acknowledged.
  public func put(_ key: String, _ value: some Value) throws {
    let bytes = try EncodedValue(value).bytes
    try key.withText { text in
      let status = bytes.withNative {
        hostCall.table.pointee.put(hostCall.table, hostCall.call, text, $0)
      }
      try hostCall.check(status, "put \"\(key)\"")
    }
  }

  /// Removes the key and what it holds, of any kind; a missing key is no error.
  public func delete(_ key: String) throws {
    try key.withText { text in
      let status = hostCall.table.pointee.remove(hostCall.table, hostCall.call, text)
      try hostCall.check(status, "delete \"\(key)\"")
    }
  }

  /// A number that concurrent calls can add to without conflict.
  public func counter(_ key: String) -> SharedCounter {
    SharedCounter(context: self, key: key)
  }

  /// A set that concurrent calls can add to without conflict.
  public func set(_ key: String) -> SharedSet {
    SharedSet(context: self, key: key)
  }
}

/// A counter in the store; a missing key is 0.
public struct SharedCounter: Sendable {
  let context: Context
  public let key: String

  /// Adds without reading. Throws `HostError` (`lattice`) if the key holds something else.
  public func add(_ amount: Int = 1) throws {
    var update = cb_update()
    update.kind = UInt32(CB_UPDATE_COUNTER_ADD)
    update.integer = Int64(amount)
    try context.update(key, &update)
  }

  /// The sum as far as this node knows it, with all that this call added.
  public func value() throws -> Int {
    try context.read(key) { stored in try stored.counter(of: key) } ?? 0
  }

  /// As the sync form; other calls run on this loop while it waits.
  public func value() async throws -> Int {
    try await context.read(key) { stored in try stored.counter(of: key) } ?? 0
  }
}

/// A set in the store; a missing key is the empty set.
public struct SharedSet: Sendable {
  let context: Context
  public let key: String

  /// Adds without reading. Throws `HostError` (`lattice`) if the key holds something else.
  public func add(_ element: some Value) throws {
    let bytes = try EncodedValue(element).bytes
    try bytes.withNative { value in
      var update = cb_update()
      update.kind = UInt32(CB_UPDATE_SET_ADD)
      update.value = value.pointee
      try context.update(key, &update)
    }
  }

  /// The elements as far as this node knows them, with all that this call added.
  public func elements<V: Value & Hashable>(as type: V.Type = V.self) throws -> Set<V> {
    try context.read(key) { stored in try stored.elements(of: key) } ?? []
  }

  /// As the sync form; other calls run on this loop while it waits.
  public func elements<V: Value & Hashable>(as type: V.Type = V.self) async throws -> Set<V> {
    try await context.read(key) { stored in try stored.elements(of: key) } ?? []
  }
}
