import CloudburstClient
import ClusterModel
import Testing

@Suite struct DAGTests {
  @Test func arrowsReadAsEdgesInOrder() {
    let dag = DAG("d") {
      "a" => ["b", "c"]
      ["b", "c"] => "d" => "e"
    }
    #expect(dag.functions == ["a", "b", "c", "d", "e"])
    #expect(dag.text == "a -> b, a -> c, b -> d, c -> d, d -> e")
  }

  @Test func textAndArrowsAgree() throws {
    let text = try DAG(
      "d", text: " increment->square ; increment -> halve,square -> add\nhalve -> add")
    let arrows = DAG("d") {
      "increment" => "square"
      "increment" => "halve"
      "square" => "add"
      "halve" => "add"
    }
    #expect(text == arrows)
  }

  @Test func oneFunctionIsADAG() throws {
    #expect(try DAG("d", text: "square").functions == ["square"])
    #expect(DAG("d") { "square" }.edges.isEmpty)
  }

  @Test(arguments: [
    ("", "no function"), ("a -> ", "a name is missing"), ("a b -> c", "not one name"),
    ("a -> b, b -> a", "own result"), ("a -> a", "own result"), ("a -> b, a -> c", "must be last"),
    ("a -> b, a -> b", "twice"), ("a, b -> c", "must be last"),
  ])
  func badTextIsRefusedWithTheReason(_ text: String, _ reason: String) {
    let error = #expect(throws: CloudburstError.self) { try DAG("d", text: text) }
    #expect(error?.code == .badDAG)
    #expect(error?.message.contains(reason) == true, "\(error?.message ?? "")")
  }

  @Test func aNameHasALimit() {
    let name = String(repeating: "x", count: Limits.nameBytesMax + 1)
    let error = #expect(throws: CloudburstError.self) { try DAG(name, text: "a") }
    #expect(error?.code == .nameInvalid)
  }
}

@Suite struct ErrorCodeTests {
  @Test func everyCodeOfThePlatformHasItsName() throws {
    let declared: [CloudburstError.Code] = CloudburstError.Code.all
    #expect(declared.map(\.name).sorted() == ErrorCode.allCases.map(\.name).sorted())
    for code in declared {
      #expect(ErrorCode(name: code.name).map { Int($0.rawValue) } == code.number)
    }
  }
}

@Suite struct DeadlineQueueTests {
  @Test(arguments: 0..<20 as Range<UInt64>)
  func deadlinesComeOutInOrderWhateverIsRemoved(seed: UInt64) {
    var random = SplitMix(state: seed)
    var queue = DeadlineQueue()
    var expected: [UInt64: UInt64] = [:]
    for ticket in 0..<200 as Range<UInt64> {
      let deadline = UInt64.random(in: 0..<50, using: &random)
      queue.insert(ticket, at: deadline)
      expected[ticket] = deadline
      if Bool.random(using: &random) {
        let gone = UInt64.random(in: 0...ticket, using: &random)
        queue.remove(gone)
        expected[gone] = nil
      }
    }
    let order = expected.sorted { ($0.value, $0.key) < ($1.value, $1.key) }.map(\.key)
    var popped: [UInt64] = []
    while let ticket = queue.popDue(at: .max) { popped.append(ticket) }
    #expect(popped == order, "seed \(seed)")
  }

  @Test func whatIsNotDueStays() {
    var queue = DeadlineQueue()
    queue.insert(1, at: 10)
    #expect(queue.popDue(at: 9) == nil)
    #expect(queue.popDue(at: 10) == 1)
    #expect(queue.earliest == nil)
  }
}

struct SplitMix: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var value = state
    value = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
    value = (value ^ (value >> 27)) &* 0x94d0_49bb_1331_11eb
    return value ^ (value >> 31)
  }
}
