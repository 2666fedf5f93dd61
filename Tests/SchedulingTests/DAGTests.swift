import ClusterModel
import Scheduling
import Testing
import WireProtocol

@Suite struct DAGTests {
  private func dag(_ functions: [String], _ edges: [(UInt32, UInt32)]) -> DAGRecord {
    var record = DAGRecord()
    record.name = "pipeline"
    record.functions = functions
    record.edges = edges.map { DAGRecord.Edge(from: $0.0, to: $0.1) }
    return record
  }

  private func refusal(_ functions: [String], _ edges: [(UInt32, UInt32)]) -> Failure? {
    do throws(Failure) {
      _ = try DAGPlan(checking: dag(functions, edges))
      return nil
    } catch {
      return error
    }
  }

  @Test func theStagesAreInAnOrderInWhichTheyCanRun() throws {
    let plan = try DAGPlan(
      checking: dag(["last", "left", "right", "first"], [(3, 1), (3, 2), (1, 0), (2, 0)]))
    #expect(plan.steps.map(\.function) == ["first", "left", "right", "last"])
    #expect(plan.steps.map(\.upstream) == [[], [0], [0], [1, 2]])
  }

  @Test func resultsArriveInTheOrderOfTheEdges() throws {
    let plan = try DAGPlan(checking: dag(["a", "b", "join"], [(1, 2), (0, 2)]))
    #expect(plan.steps.last?.upstream == [1, 0])
  }

  @Test func aCycleIsRefusedWithItsPath() throws {
    let failure = try #require(refusal(["a", "b", "c"], [(0, 1), (1, 2), (2, 1)]))
    #expect(failure.code == .badDAG)
    #expect(
      failure.message.contains("cycle: b -> c -> b")
        || failure.message.contains("cycle: c -> b -> c"))
  }

  @Test func anEdgeToItselfIsACycle() throws {
    #expect(try #require(refusal(["a"], [(0, 0)])).message.contains("cycle: a -> a"))
  }

  @Test func severalSinksAreRefusedByName() throws {
    let failure = try #require(refusal(["a", "b", "c"], [(0, 1), (0, 2)]))
    #expect(failure.message.contains("several sinks: b, c"))
  }

  @Test func disconnectedPartsAreRefused() throws {
    let failure = try #require(refusal(["a", "b", "c", "d"], [(0, 1), (2, 3)]))
    #expect(failure.message.contains("no edges join a and c"))
  }

  @Test func anEmptyDAGIsRefused() throws {
    #expect(try #require(refusal([], [])).message.contains("is empty"))
  }

  @Test func aFunctionNamedTwiceIsRefused() throws {
    #expect(try #require(refusal(["a", "a"], [(0, 1)])).message.contains("names a twice"))
  }

  @Test func anEdgeGivenTwiceIsRefused() throws {
    let failure = try #require(refusal(["a", "b"], [(0, 1), (0, 1)]))
    #expect(failure.message.contains("edge a -> b twice"))
  }

  @Test func anEdgeOutOfRangeIsRefused() {
    #expect(refusal(["a"], [(0, 7)])?.code == .badDAG)
  }

  @Test func tooManyFunctionsAreRefused() {
    let names = (0...Limits.dagStagesMax).map { "f\($0)" }
    let edges = (0..<Limits.dagStagesMax).map { (UInt32($0), UInt32($0 + 1)) }
    #expect(refusal(names, edges)?.code == .badDAG)
  }

  @Test func aDAGOfAnUnknownFunctionIsRefusedByThatFunctionsName() {
    var driver = Driver()
    guard case .failure(let failure) = driver.ask(.putDAG(dag(["sqare"], []))) else {
      Issue.record("the DAG was taken")
      return
    }
    #expect(failure.code == .functionNotFound)
    #expect(failure.hint.contains("square"))
  }

  @Test func moreEdgesThanParametersAreABadDAG() {
    var driver = Driver()
    driver.store.add("pair", parameters: 2, bundle: "other", digest: Driver.digest)
    driver = Driver(store: driver.store)
    let answer = driver.ask(.putDAG(dag(["add", "pair", "square"], [(0, 2), (1, 2)])))
    guard case .failure(let failure) = answer else {
      Issue.record("the DAG was taken")
      return
    }
    #expect(failure.code == .badDAG)
    #expect(failure.message.contains("(Int) -> Int"))
  }

  @Test func aRegisteredDAGIsDispatchedAsOneCall() throws {
    var driver = Driver()
    #expect(driver.ask(.putDAG(dag(["square", "add"], [(0, 1)]))) == .done)
    _ = driver.attach(0)
    var call = Call.to("", 1)
    call.arguments = []
    call.dag = "pipeline"
    call.inputs = [
      DAGInput(function: "square", arguments: [Argument(encoding: 1, value: [50])]),
      DAGInput(function: "add", arguments: [Argument(encoding: 1, value: [51])]),
    ]
    driver.call(call, number: 1)
    let stages = try #require(driver.takeDispatches().first).dispatch.stages
    #expect(stages.map(\.function) == ["square", "add"])
    #expect(stages.map(\.upstream) == [[], [0]])
    #expect(stages.map { $0.arguments.map(\.value) } == [[[50]], [[51]]])
  }

  @Test func aDAGSurvivesARestart() {
    var first = Driver()
    #expect(first.ask(.putDAG(dag(["square"], []))) == .done)
    var second = Driver(store: first.store, incarnation: 6)
    guard case .dags(let dags) = second.ask(.listDAGs(prefix: "")) else {
      Issue.record("no answer")
      return
    }
    #expect(dags.map(\.name) == ["pipeline"])
    #expect(second.scheduler.registry.version == first.scheduler.registry.version)
  }

  @Test func aDeletedDAGIsNotFound() {
    var driver = Driver()
    #expect(driver.ask(.putDAG(dag(["square"], []))) == .done)
    #expect(driver.ask(.deleteDAG("pipeline")) == .done)
    var call = Call.to("", 1)
    call.dag = "pipeline"
    driver.call(call, number: 1)
    #expect(driver.takeAnswers().map(\.code) == [.dagNotFound])
  }

  @Test func inputsForAnotherFunctionAreABadArgument() {
    var driver = Driver()
    #expect(driver.ask(.putDAG(dag(["square"], []))) == .done)
    var call = Call.to("", 1)
    call.dag = "pipeline"
    call.inputs = [DAGInput(function: "add", arguments: [])]
    driver.call(call, number: 1)
    #expect(driver.takeAnswers().map(\.code) == [.badArgument])
  }
}
