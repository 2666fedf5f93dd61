/// Payload: `ObservedRemoveSetValue { repeated Element elements = 1; repeated Seen seen = 2 }`,
/// `Element { bytes value = 1; uint32 encoding = 2; repeated Dots dots = 3 }`,
/// `Dots { fixed64 actor = 1; repeated uint64 numbers = 2 }` and
/// `Seen { fixed64 actor = 1; repeated uint64 ranges = 2 }`, a range being its first and last number.
extension ObservedRemoveSet {
  /// - Throws: for a dot numbered 0 and a range that ends before it begins, too.
  public init(serialized bytes: ArraySlice<UInt8>) throws(LatticeError) {
    self.init()
    var repetitions = Repetitions()
    var reader = ProtobufReader(bytes, of: .observedRemoveSet)
    while let field = try reader.nextField() {
      switch field {
      case .bytes(1, let body):
        elements.append(try Element(serialized: body))
        if repetitions.areDue(at: elements.count) {
          normalise()
          repetitions.settle(at: elements.count)
        }
      case .bytes(2, let body): try seen.appendRanges(serialized: body)
      default: continue
      }
    }
    seen.normalise()
    normalise()
  }

  public func serialized() -> [UInt8] {
    var bytes: [UInt8] = []
    for element in elements {
      var body: [UInt8] = []
      if !element.value.isEmpty { body.appendField(1, element.value) }
      if element.encoding != 0 {
        body.appendNumber(ProtobufTag.varint2, UInt64(element.encoding))
      }
      element.appendDots(to: &body)
      bytes.appendField(1, body[...])
    }
    seen.append(to: &bytes, field: 2)
    return bytes
  }
}

extension ObservedRemoveSet.Element {
  fileprivate init(serialized bytes: ArraySlice<UInt8>) throws(LatticeError) {
    var value: ArraySlice<UInt8> = []
    var encoding: UInt8 = 0
    var dots: [Dot] = []
    var reader = ProtobufReader(bytes, of: .observedRemoveSet)
    while let field = try reader.nextField() {
      switch field {
      case .bytes(1, let bytes): value = bytes
      case .varint(2, let number):
        guard number <= UInt64(UInt8.max) else { throw reader.failure(.outOfRange) }
        encoding = UInt8(number)
      case .bytes(3, let body):
        var (actor, numbers) = try ActorNumbers.read(body)
        while let number = try numbers.nextVarint() {
          guard number >= 1 else { throw numbers.failure(.outOfRange) }
          dots.append(Dot(actor: actor, number: number))
        }
      default: continue
      }
    }
    self.init(value: value, encoding: encoding, dots: dots)
  }

  fileprivate func appendDots(to bytes: inout [UInt8]) {
    var index = 0
    while index < dots.count {
      let actor = dots[index].actor
      var packed: [UInt8] = []
      while index < dots.count, dots[index].actor == actor {
        packed.appendVarint(dots[index].number)
        index += 1
      }
      ActorNumbers.append(actor, packed, to: &bytes, field: 3)
    }
  }
}

/// An actor with a packed list of numbers.
private enum ActorNumbers {
  static func read(
    _ bytes: ArraySlice<UInt8>
  ) throws(LatticeError) -> (actor: UInt64, numbers: ProtobufReader) {
    var actor: UInt64 = 0
    var packed: ArraySlice<UInt8> = []
    var reader = ProtobufReader(bytes, of: .observedRemoveSet)
    while let field = try reader.nextField() {
      switch field {
      case .fixed64(1, let number): actor = number
      case .bytes(2, let numbers): packed = numbers
      default: continue
      }
    }
    return (actor, ProtobufReader(packed, of: .observedRemoveSet))
  }

  static func append(
    _ actor: UInt64, _ packed: [UInt8], to bytes: inout [UInt8], field number: UInt32
  ) {
    var body: [UInt8] = []
    if actor != 0 {
      body.append(ProtobufTag.fixed1)
      body.appendLittleEndian(actor)
    }
    body.appendField(2, packed[...])
    bytes.appendField(number, body[...])
  }
}

extension DotContext {
  fileprivate mutating func appendRanges(
    serialized bytes: ArraySlice<UInt8>
  ) throws(LatticeError) {
    var (actor, numbers) = try ActorNumbers.read(bytes)
    while let first = try numbers.nextVarint() {
      guard let last = try numbers.nextVarint(), first >= 1, last >= first else {
        throw numbers.failure(.outOfRange)
      }
      ranges.append(Range(actor: actor, first: first, last: last))
    }
  }

  fileprivate func append(to bytes: inout [UInt8], field number: UInt32) {
    var index = 0
    while index < ranges.count {
      let actor = ranges[index].actor
      var packed: [UInt8] = []
      while index < ranges.count, ranges[index].actor == actor {
        packed.appendVarint(ranges[index].first)
        packed.appendVarint(ranges[index].last)
        index += 1
      }
      ActorNumbers.append(actor, packed, to: &bytes, field: number)
    }
  }
}
