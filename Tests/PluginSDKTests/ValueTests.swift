import CloudburstValues
import Testing

struct ValueTests {
  enum Colour: String, Codable, Value { case red, green }
  enum Shape: Codable, Value, Equatable { case circle(radius: Double), empty }
  struct Order: Codable, Value, Equatable {
    struct Line: Codable, Equatable {
      var item: String
      var count: UInt16
      var prices: [Double]
    }
    var id: UInt64
    var note: String?
    var lines: [Line]
    var tags: Set<String>
    var colour: Colour
    var shape: Shape
    var next: [Order]
  }

  static let order = Order(
    id: .max, note: nil,
    lines: [
      .init(item: "pen", count: 3, prices: [1.5, 2]), .init(item: "", count: 0, prices: []),
    ],
    tags: ["b", "a"], colour: .green, shape: .circle(radius: 2),
    next: [
      Order(
        id: 1, note: "ü", lines: [], tags: [], colour: .red, shape: .empty, next: [])
    ])

  func roundTrips<V: Value & Equatable>(_ value: V) throws -> Bool {
    let native = try EncodedValue(value)
    return try native.decode() == value && native.converted(to: .json).decode() == value
  }

  @Test func valuesSurviveNativeAndJSON() throws {
    #expect(try roundTrips(Int.min))
    #expect(try roundTrips(UInt64.max))
    #expect(try roundTrips(Int8(-128)))
    #expect(try roundTrips(Double.leastNonzeroMagnitude))
    #expect(try roundTrips(-0.0))
    #expect(try roundTrips(Float.greatestFiniteMagnitude))
    #expect(try roundTrips(Double.infinity))
    #expect(try roundTrips("\u{0}\"\\\n\u{1F600}é"))
    #expect(try roundTrips([UInt8](0...255)))
    #expect(try roundTrips([[Int]]([[], [1], [2, 3]])))
    #expect(try roundTrips([Float]([1, 2.5])))
    #expect(try roundTrips([Int32]([.min, .max])))
    #expect(try roundTrips([Int16]([1, 2])))
    #expect(try roundTrips([Int?]([1, nil])))
    #expect(try roundTrips(Set([3, 1, 2])))
    #expect(try roundTrips(["a": [1.0], "b": []]))
    #expect(try roundTrips(Self.order))
  }

  @Test func seededTreesSurviveNativeAndJSON() throws {
    for seed in UInt64(1)...200 {
      var random = SplitMix(state: seed)
      let tree = AnyValue.random(depth: 4, using: &random)
      let native = try EncodedValue(tree)
      #expect(try native.decode() == tree, "seed \(seed)")
      let again = try native.converted(to: .json).converted(to: .native)
      #expect(try again.decode() == tree, "seed \(seed)")
    }
  }

  @Test func numbersFitWhereTheyAreExact() throws {
    #expect(try EncodedValue(3).decode(as: Double.self) == 3)
    #expect(try EncodedValue(3.0).decode(as: Int.self) == 3)
    #expect(try EncodedValue([1, 2]).decode(as: [Double].self) == [1, 2])
    #expect(try EncodedValue([1.0, 2.0]).decode(as: [Int8].self) == [1, 2])
    #expect(throws: ValueError(expected: "Int8", found: "300")) {
      try EncodedValue(300).decode(as: Int8.self)
    }
    #expect(throws: ValueError(expected: "Int", found: "3.5")) {
      try EncodedValue(3.5).decode(as: Int.self)
    }
  }

  @Test func rawBytesAreTextOrBytesOnly() throws {
    let raw = EncodedValue(encoding: .raw, bytes: Array("hé".utf8))
    #expect(try raw.decode(as: String.self) == "hé")
    #expect(try raw.decode(as: [UInt8].self) == Array("hé".utf8))
    #expect(try raw.decode(as: String?.self) == "hé")
    #expect(throws: ValueError(expected: "Int", found: "3 raw bytes")) {
      try raw.decode(as: Int.self)
    }
    #expect(throws: ValueError(expected: "[Int]", found: "3 raw bytes")) {
      try raw.decode(as: [Int].self)
    }
    #expect(throws: ValueError(expected: "String", found: "1 raw bytes that are not UTF-8")) {
      try EncodedValue(encoding: .raw, bytes: [0xFF]).decode(as: String.self)
    }
  }

  @Test func errorsSayWhereAndWhat() throws {
    let json = EncodedValue(
      encoding: .json, bytes: Array(#"{"id":1,"lines":[{"item":"a","count":"x"}]}"#.utf8))
    let error = #expect(throws: ValueError.self) { try json.decode(as: Order.self) }
    #expect(error?.description == #"lines[0].count: expected UInt16, got string "x""#)
    let missing = #expect(throws: ValueError.self) {
      try EncodedValue(["x": 1]).decode(as: NativeFormatTests.Point.self)
    }
    #expect(missing?.description == #"expected "y" in the map, got none"#)
    let short = #expect(throws: ValueError.self) {
      try EncodedValue(["a", "b"]).decode(as: [Int].self)
    }
    #expect(short?.description == #"[0]: expected Int, got string "a""#)
  }

  @Test func whatFollowsTheValueIsRefused() throws {
    var value = try EncodedValue(1)
    value.bytes.append(0)
    #expect(throws: ValueError(expected: "the end of the value", found: "1 more bytes")) {
      try value.decode(as: Int.self)
    }
  }

  @Test func aKeyGivenTwiceIsRefused() throws {
    let native: [UInt8] = [9, 2, 0, 0, 0, 1, 0, 0, 0, 0x61, 1, 1, 0, 0, 0, 0x61, 2]
    #expect(throws: ValueError.self) {
      try EncodedValue(encoding: .native, bytes: native).decode(as: [String: Bool].self)
    }
  }

  @Test func valuesNestedTooDeepAreRefused() throws {
    let depth = ValueLimits.depthMax + 1
    let native =
      [UInt8](repeating: 0, count: depth).flatMap { _ -> [UInt8] in [8, 1, 0, 0, 0] } + [0]
    #expect(throws: ValueError.self) {
      try EncodedValue(encoding: .native, bytes: native).decode(as: AnyValue.self)
    }
    #expect(throws: ValueError.self) {
      try EncodedValue(encoding: .native, bytes: native).converted(to: .json)
    }
    let json = [UInt8](repeating: UInt8(ascii: "["), count: depth)
    #expect(throws: ValueError.self) { try JSONToNative.convert(json) }
    var tree = AnyValue.null
    for _ in 0..<depth { tree = .array([tree]) }
    #expect(throws: ValueError.self) { try EncodedValue(tree) }
  }

  @Test func aHugeCountDoesNotEarnMemory() throws {
    for tag in [NativeTag.array, .map, .doubles, .string, .bytes, .int32s] {
      let native: [UInt8] = [tag.rawValue, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0, 0]
      let value = EncodedValue(encoding: .native, bytes: native)
      #expect(throws: ValueError.self) { try value.decode(as: AnyValue.self) }
      #expect(throws: ValueError.self) { try value.decode(as: [Double].self) }
    }
  }

  @Test func arbitraryBytesGiveErrorsOrValuesNeverTraps() throws {
    for seed in UInt64(1)...3000 {
      var random = SplitMix(state: seed)
      var bytes = (0..<Int.random(in: 0...48, using: &random)).map { _ in
        UInt8.random(in: 0...255, using: &random)
      }
      if seed.isMultiple(of: 2) {
        bytes = try EncodedValue(AnyValue.random(depth: 3, using: &random)).bytes
        let index = Int.random(in: 0..<bytes.count, using: &random)
        bytes[index] = UInt8.random(in: 0...0x14, using: &random)
        if seed.isMultiple(of: 4) {
          bytes.removeLast(Int.random(in: 0...bytes.count, using: &random))
        }
      }
      for encoding in ValueEncoding.allCases {
        let value = EncodedValue(encoding: encoding, bytes: bytes)
        _ = try? value.decode(as: AnyValue.self)
        _ = try? value.decode(as: Order.self)
        _ = try? value.decode(as: [Float].self)
        _ = try? value.decode(as: Set<Int>.self)
        _ = try? value.converted(to: .json)
        _ = try? value.converted(to: .raw)
      }
    }
  }
}

/// A generator that gives the same numbers for the same seed, everywhere.
struct SplitMix: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}

extension AnyValue {
  /// A tree that means the same in JSON: no bytes, no numbers without a literal.
  static func random(depth: Int, using random: inout some RandomNumberGenerator) -> AnyValue {
    switch Int.random(in: 0..<(depth == 0 ? 6 : 8), using: &random) {
    case 0: return .null
    case 1: return .bool(.random(using: &random))
    case 2: return .integer(.random(in: .min ... .max, using: &random))
    case 3: return .unsigned(.random(in: (1 << 63)...(.max), using: &random))
    case 4: return .double(Double(Int.random(in: -999...999, using: &random)) / 8 + 0.0625)
    case 5: return .string(.random(using: &random))
    case 6:
      return .array(
        (0..<Int.random(in: 0...4, using: &random)).map { _ in
          .random(depth: depth - 1, using: &random)
        })
    default:
      var map: [String: AnyValue] = [:]
      for _ in 0..<Int.random(in: 0...4, using: &random) {
        map[.random(using: &random)] = .random(depth: depth - 1, using: &random)
      }
      return .map(map)
    }
  }
}

extension String {
  fileprivate static func random(using random: inout some RandomNumberGenerator) -> String {
    let letters = Array("ab\"\\/\n\t\u{1}é漢\u{1F600}")
    return String(
      (0..<Int.random(in: 0...6, using: &random)).map { _ in
        letters[Int.random(in: letters.indices, using: &random)]
      })
  }
}
