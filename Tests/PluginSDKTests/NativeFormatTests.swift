import CloudburstValues
import Testing

/// The bytes of docs/native-format.md: what is stored today must be readable for ever.
struct NativeFormatTests {
  struct Point: Codable, Value, Equatable {
    var x: Int
    var y: Double
  }

  static func hex(_ value: some Value) throws -> String {
    try EncodedValue(value).bytes.map {
      $0 < 16 ? "0\(String($0, radix: 16))" : String($0, radix: 16)
    }
    .joined()
  }

  @Test func scalarsHaveTheirGoldenBytes() throws {
    #expect(try Self.hex(Int?.none) == "00")
    #expect(try Self.hex(false) == "01")
    #expect(try Self.hex(true) == "02")
    #expect(try Self.hex(3) == "030300000000000000")
    #expect(try Self.hex(-2) == "03feffffffffffffff")
    #expect(try Self.hex(UInt8(255)) == "03ff00000000000000")
    #expect(try Self.hex(UInt64.max) == "04ffffffffffffffff")
    #expect(try Self.hex(1.5) == "05000000000000f83f")
    #expect(try Self.hex(Float(1.5)) == "05000000000000f83f")
  }

  @Test func textAndBytesHaveTheirGoldenBytes() throws {
    #expect(try Self.hex("añ") == "060300000061c3b1")
    #expect(try Self.hex([UInt8]([1, 2])) == "07020000000102")
  }

  @Test func containersHaveTheirGoldenBytes() throws {
    #expect(try Self.hex(["a", "b"]) == "0802000000" + "060100000061" + "060100000062")
    #expect(
      try Self.hex(["b": true, "a": false]) == "0902000000" + "010000006101" + "010000006202")
    #expect(try Self.hex(Set(["b", "a"])) == "0802000000" + "060100000061" + "060100000062")
    #expect(
      try Self.hex(Point(x: 1, y: 0.5)) == "0902000000" + "0100000078" + "030100000000000000"
        + "0100000079" + "05000000000000e03f")
  }

  @Test func numericArraysAreOneAlignedBlock() throws {
    #expect(try Self.hex([1.5]) == "1001000000" + "000000" + "000000000000f83f")
    #expect(try Self.hex([Float(1.5)]) == "1101000000" + "000000" + "0000c03f")
    #expect(try Self.hex([Int64(7)]) == "1201000000" + "000000" + "0700000000000000")
    #expect(try Self.hex([Int(7)]) == "1201000000" + "000000" + "0700000000000000")
    #expect(try Self.hex([Int32(7)]) == "1301000000" + "000000" + "07000000")
  }

  @Test func blocksAreAlignedFromTheStartOfTheOutermostValue() throws {
    let bytes = try EncodedValue(["k": [[1.0], [2.0]]]).bytes
    var reader = 0
    for index in bytes.indices where bytes[index...].starts(with: [0, 0, 0, 0, 0, 0, 0xF0, 0x3F]) {
      reader = index
    }
    #expect(reader > 0 && reader.isMultiple(of: 8))
    #expect(try EncodedValue(["k": [[1.0], [2.0]]]).decode() == ["k": [[1.0], [2.0]]])
  }

  @Test func aBlockCanBeReadWhereItLies() throws {
    let bytes = try EncodedValue([1.0, 2.0, 4.0]).bytes
    try bytes.withUnsafeBytes { source in
      var reader = NativeReader(source)
      let block = try reader.readBulk(of: Double.self)
      #expect(block.baseAddress == source.baseAddress.map { $0 + 8 })
      #expect(block.count == 24)
    }
  }
}
