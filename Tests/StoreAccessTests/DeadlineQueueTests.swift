import ClusterModel
import StoreAccess
import Testing

@Suite struct DeadlineQueueTests {
  @Test(arguments: 0..<20 as Range<UInt64>)
  func deadlinesComeOutInOrderWhateverIsRemoved(seed: UInt64) {
    var random = SplitMix64(seed: seed)
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
