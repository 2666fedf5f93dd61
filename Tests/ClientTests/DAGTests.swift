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
