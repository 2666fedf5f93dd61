import CloudburstValues
import Testing

struct JSONTests {
  func parse(_ text: String) throws -> AnyValue {
    try EncodedValue(encoding: .json, bytes: Array(text.utf8)).decode()
  }

  @Test func numbersKeepTheirKind() throws {
    #expect(try parse("9223372036854775807") == .integer(.max))
    #expect(try parse("9223372036854775808") == .unsigned(1 << 63))
    #expect(try parse("18446744073709551616") == .double(18_446_744_073_709_551_616))
    #expect(try parse("1.0") == .double(1))
    #expect(try parse("-1.5e-3") == .double(-0.0015))
    #expect("\(try parse("-0"))" == "\(AnyValue.double(-0.0))")
  }

  @Test func escapesAreRead() throws {
    #expect(try parse(#""\"\\\/\b\f\n\r\t\u00e9\u00E9""#) == .string("\"\\/\u{8}\u{C}\n\r\téé"))
    #expect(try parse(#""\ud83d\ude00""#) == .string("\u{1F600}"))
  }

  @Test func spaceAroundTokensIsAllowed() throws {
    #expect(
      try parse(" { \"a\" :\t[ 1 , null ]\r\n} ") == .map(["a": .array([.integer(1), .null])]))
  }

  @Test(arguments: [
    "", " ", "nul", "tru e", "01", "+1", "1.", ".5", "1e", "-", "1e999", "NaN", "'a'", "\"a",
    "\"\u{1}\"", #""\x""#, #""\u12G4""#, #""\ud800""#, #""\ud800A""#, #""\udc00""#, "[1,]",
    "[1 2]", "[", "{\"a\"}", "{\"a\":}", "{a:1}", "{\"a\":1,}", "{\"a\":1,\"a\":2}", "1 2", "[]]",
  ])
  func whatIsNotJSONIsRefused(_ text: String) {
    #expect(throws: ValueError.self) { try parse(text) }
  }

  @Test func aSyntaxErrorNamesItsPlace() {
    let error = #expect(throws: ValueError.self) { try parse("[1 x]") }
    #expect(error?.description == "expected ',' or ']', got 'x' at byte 3 of the JSON text")
  }

  @Test func jsonThatIsNotUTF8IsRefused() {
    let value = EncodedValue(encoding: .json, bytes: [0x22, 0xFF, 0x22])
    #expect(throws: ValueError.self) { try value.decode(as: String.self) }
  }

  @Test func bytesAreBase64() throws {
    let json = try EncodedValue([UInt8]([0, 255, 16, 7])).converted(to: .json)
    #expect(String(decoding: json.bytes, as: UTF8.self) == "\"AP8QBw==\"")
    #expect(try json.decode(as: [UInt8].self) == [0, 255, 16, 7])
    #expect(throws: ValueError(expected: "bytes as base64", found: "string \"AP8QBw=\"")) {
      try EncodedValue("AP8QBw=").decode(as: [UInt8].self)
    }
    #expect(throws: ValueError.self) { try EncodedValue("AB==").decode(as: [UInt8].self) }
  }

  @Test func aNativeMapWithAKeyTwiceIsNotPrinted() {
    let map: [UInt8] = [0x09, 2, 0, 0, 0, 1, 0, 0, 0, 0x61, 0x00, 1, 0, 0, 0, 0x61, 0x00]
    #expect(throws: ValueError(path: ".a", expected: "each key once", found: "it twice")) {
      try NativeToJSON.convert(map)
    }
  }

  @Test func rawTurnsIntoWhatItIs() throws {
    let raw = EncodedValue(encoding: .raw, bytes: [1, 2])
    #expect(try raw.converted(to: .native) == EncodedValue([UInt8]([1, 2])))
    #expect(try raw.converted(to: .native).converted(to: .raw) == raw)
    #expect(try EncodedValue("ab").converted(to: .raw).bytes == Array("ab".utf8))
    #expect(throws: ValueError.self) { try EncodedValue(1).converted(to: .raw) }
  }
}

struct FunctionSignatureTests {
  @Test func signaturesAreRead() {
    let signature = FunctionSignature(parsing: "(x: Int, [String: [Int]], Set<Int>) -> String?")
    #expect(signature?.parameters == ["Int", "[String: [Int]]", "Set<Int>"])
    #expect(signature?.result == "String?")
    #expect(FunctionSignature(parsing: "() -> Void") == .init(parameters: [], result: "Void"))
  }

  @Test(arguments: ["", "Int -> Int", "(Int)", "(Int) ->", "([Int) -> Int", "(Int,) -> Int"])
  func otherTextsAreNone(_ text: String) {
    #expect(FunctionSignature(parsing: text) == nil)
  }

  @Test func onlyTextAndBytesTakeRawInput() {
    let signature = FunctionSignature(parameters: ["String", "[UInt8]", "Int"], result: "Int")
    #expect((0..<4).map(signature.acceptsRaw(at:)) == [true, true, false, false])
  }
}
