import CloudburstFunctions
import CloudburstValues
import Testing

/// What a bundle's tables say beyond name, signature and invoke.
struct LimitsAndSetUpTests {
  private static let bundle = FunctionBundle("limited") {
    Function("plain") { 7 }
    Function("model", initialize: { [1, 2, 3] }) { (model: [Int], index: Int) in model[index] }
    Function("brief") { (x: Int) in x }
      .limits(time: .milliseconds(1500), memory: 100_000_000, attempts: 1)
  }

  private func table(_ index: Int) throws -> cb_function {
    let descriptor = try #require(Self.bundle.descriptor)
    return try #require(descriptor.pointee.functions[index]).pointee
  }

  @Test func onlyAFunctionWithASetUpHasOne() throws {
    #expect(try table(0).set_up == nil)
    #expect(try table(1).set_up != nil)
    #expect(try table(2).set_up == nil)
  }

  @Test func limitsAreInTheTableAndOtherwiseZero() throws {
    let (plain, brief) = (try table(0), try table(2))
    #expect(plain.time_limit_us == 0 && plain.memory_mebibytes == 0 && plain.attempts_max == 0)
    #expect(brief.time_limit_us == 1_500_000)
    #expect(brief.memory_mebibytes == 96, "rounded up to MiB")
    #expect(brief.attempts_max == 1)
  }

  @Test func aWriterWithALimitCountsWhatItDoesNotWrite() {
    var writer = NativeWriter(bytesMax: 100)
    writer.write(String(repeating: "x", count: 200))
    #expect(writer.excess >= 200)
    #expect(writer.bytes.count < 100)
    writer.clear()
    writer.write("short")
    #expect(writer.excess == 0)
  }
}
