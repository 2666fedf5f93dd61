import ClusterModel
import Testing

@Suite struct IdentifierTests {
  @Test func anInvocationIDSurvivesItsText() {
    let id = InvocationID(high: 0x1F, low: .max)
    #expect(id.description == "000000000000001fffffffffffffffff")
    #expect(InvocationID(id.description) == id)
  }

  @Test(arguments: [
    "", "1f", "+00000000000001fffffffffffffffff", "000000000000001f+fffffffffffffff",
    "000000000000001ffffffffffffffffg", "000000000000001fffffffffffffffff0",
  ])
  func whatIsNotThirtyTwoDigitsIsNoInvocationID(text: String) {
    #expect(InvocationID(text) == nil)
  }

  @Test func anExecutorIDSurvivesItsText() {
    let id = ExecutorID(node: NodeID("node-1"), number: 3, incarnation: Incarnation(.max))
    #expect(ExecutorID(id.description) == id)
  }
}
