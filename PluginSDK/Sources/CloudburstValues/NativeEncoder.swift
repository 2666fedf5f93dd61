/// A value under construction by `Codable`: containers may be filled in any order, so nothing is
/// written before all is there.
final class EncodingNode {
  private enum Content {
    case empty
    case leaf(any Value)
    case array([EncodingNode])
    case map([(key: String, node: EncodingNode)])
  }
  private var content = Content.empty

  func set(_ value: any Value) {
    content = .leaf(value)
  }

  func becomeMap() {
    if case .map = content { return }
    content = .map([])
  }

  func becomeArray() {
    if case .array = content { return }
    content = .array([])
  }

  var count: Int {
    if case .array(let nodes) = content { return nodes.count }
    return 0
  }

  func child(forKey key: String) -> EncodingNode {
    guard case .map(var entries) = content else { preconditionFailure("a map was asked for first") }
    content = .empty
    let node = EncodingNode()
    if let index = entries.firstIndex(where: { $0.key == key }) {
      entries[index].node = node
    } else {
      entries.append((key, node))
    }
    content = .map(entries)
    return node
  }

  func appendChild() -> EncodingNode {
    guard case .array(var nodes) = content else {
      preconditionFailure("an array was asked for first")
    }
    content = .empty
    let node = EncodingNode()
    nodes.append(node)
    content = .array(nodes)
    return node
  }

  func write(into writer: inout NativeWriter) throws(ValueError) {
    switch content {
    // A type that encodes nothing, such as an empty struct's single value container.
    case .empty: writer.write(.null)
    case .leaf(let value): try value.encode(into: &writer)
    case .array(let nodes):
      try writer.beginContainer(.array, count: nodes.count)
      for node in nodes { try node.write(into: &writer) }
      writer.endContainer()
    case .map(let entries):
      try writer.beginContainer(.map, count: entries.count)
      for entry in entries {
        writer.writeKey(entry.key)
        do throws(ValueError) {
          try entry.node.write(into: &writer)
        } catch {
          throw error.inside(".\(entry.key)")
        }
      }
      writer.endContainer()
    }
  }
}

struct NativeEncoder: Encoder {
  let node: EncodingNode
  let codingPath: [any CodingKey]
  var userInfo: [CodingUserInfoKey: Any] { [:] }

  func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
    node.becomeMap()
    return KeyedEncodingContainer(KeyedEncoding<Key>(node: node, codingPath: codingPath))
  }
  func unkeyedContainer() -> any UnkeyedEncodingContainer {
    node.becomeArray()
    return UnkeyedEncoding(node: node, codingPath: codingPath)
  }
  func singleValueContainer() -> any SingleValueEncodingContainer {
    SingleEncoding(node: node, codingPath: codingPath)
  }
}

/// Fills one node with one value; what all containers come down to.
private func fill(_ node: EncodingNode, _ value: some Encodable, _ path: [any CodingKey]) throws {
  guard path.count < ValueLimits.depthMax else {
    throw ValueError(
      expected: "at most \(ValueLimits.depthMax) values inside one another", found: "more")
  }
  if let value = value as? any Value {
    node.set(value)
  } else {
    try value.encode(to: NativeEncoder(node: node, codingPath: path))
  }
}

private struct KeyedEncoding<Key: CodingKey>: KeyedEncodingContainerProtocol {
  let node: EncodingNode
  let codingPath: [any CodingKey]

  func encodeNil(forKey key: Key) {
    node.child(forKey: key.stringValue).set(Bool?.none)
  }
  func encode(_ value: some Encodable, forKey key: Key) throws {
    try fill(node.child(forKey: key.stringValue), value, codingPath + [key])
  }
  func nestedContainer<Nested: CodingKey>(
    keyedBy type: Nested.Type, forKey key: Key
  ) -> KeyedEncodingContainer<Nested> {
    nested(key).container(keyedBy: type)
  }
  func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedEncodingContainer {
    nested(key).unkeyedContainer()
  }
  func superEncoder() -> any Encoder {
    nested(NativeCodingKey.super)
  }
  func superEncoder(forKey key: Key) -> any Encoder {
    nested(key)
  }
  private func nested(_ key: any CodingKey) -> NativeEncoder {
    NativeEncoder(node: node.child(forKey: key.stringValue), codingPath: codingPath + [key])
  }
}

private struct UnkeyedEncoding: UnkeyedEncodingContainer {
  let node: EncodingNode
  let codingPath: [any CodingKey]
  var count: Int { node.count }

  func encodeNil() {
    node.appendChild().set(Bool?.none)
  }
  func encode(_ value: some Encodable) throws {
    try fill(node.appendChild(), value, codingPath + [NativeCodingKey(intValue: count)])
  }
  func nestedContainer<Nested: CodingKey>(
    keyedBy type: Nested.Type
  ) -> KeyedEncodingContainer<Nested> {
    nested().container(keyedBy: type)
  }
  func nestedUnkeyedContainer() -> any UnkeyedEncodingContainer {
    nested().unkeyedContainer()
  }
  func superEncoder() -> any Encoder {
    nested()
  }
  private func nested() -> NativeEncoder {
    let path = codingPath + [NativeCodingKey(intValue: count)]
    return NativeEncoder(node: node.appendChild(), codingPath: path)
  }
}

private struct SingleEncoding: SingleValueEncodingContainer {
  let node: EncodingNode
  let codingPath: [any CodingKey]

  func encodeNil() {
    node.set(Bool?.none)
  }
  func encode(_ value: some Encodable) throws {
    // A path step for each wrapping keeps a type that encodes itself for ever within the depth limit.
    try fill(node, value, codingPath + [NativeCodingKey(stringValue: "")])
  }
}
