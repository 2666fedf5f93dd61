import CloudburstClient
import CloudburstValues
import Foundation
import Testing

/// Every lattice through the SDK, against real processes.
@Suite(.serialized, .timeLimit(.minutes(5))) struct LatticeTests {
  @Test func everyTypeIsWrittenMergedAndRead() async throws {
    let dev = try LocalDev()
    let cloud = try await CloudburstClient.connect(to: dev.endpoint)
    let other = try await CloudburstClient.connect(to: dev.endpoint)

    try await cloud.growCounter("grow").add(2)
    try await other.growCounter("grow").add(3)
    #expect(try await cloud.growCounter("grow").value() == 5)

    for number in [3, -7, 5] {
      try await cloud.maximum("max").offer(number)
      try await other.minimum("min").offer(Double(number) - 0.5)
    }
    #expect(try await cloud.maximum("max").value(as: Int.self) == 5)
    #expect(try await cloud.minimum("min").value(as: Double.self) == -7.5)

    #expect(try await cloud.flag("flag").isRaised() == false)
    try await other.flag("flag").raise()
    #expect(try await cloud.flag("flag").isRaised())

    try await cloud.priority("priority").put("low", priority: 2)
    try await other.priority("priority").put("urgent", priority: 1)
    let first = try await cloud.priority("priority").get(as: String.self)
    #expect(first?.priority == 1 && first?.value == "urgent")

    try await cloud.orderedSet("ordered").add("b", "c")
    try await other.orderedSet("ordered").add("a")
    #expect(try await cloud.orderedSet("ordered").elements() == ["a", "b", "c"])

    try await cloud.estimate("estimate").add(0..<500)
    try await other.estimate("estimate").add(250..<1000)
    let estimate = try await cloud.estimate("estimate").value()
    #expect((970...1030).contains(estimate), "\(estimate)")
    await cloud.close()
    await other.close()
  }

  @Test func anElementAddedMeanwhileOutlivesItsRemoval() async throws {
    let dev = try LocalDev()
    let cloud = try await CloudburstClient.connect(to: dev.endpoint)
    let cart = cloud.removableSet("cart")
    try await cart.add("book")
    try await cart.add("pen")
    #expect(try await cart.remove("book"))
    #expect(try await cart.remove("book") == false)
    #expect(try await cart.elements(as: String.self) == ["pen"])
    try await cart.add("book")
    #expect(try await cart.elements(as: String.self) == ["book", "pen"])
    await cloud.close()
  }

  @Test func fieldsOfMapsAreWrittenOnTheirOwn() async throws {
    let dev = try LocalDev()
    let cloud = try await CloudburstClient.connect(to: dev.endpoint)
    let profile = cloud.fields("profile")
    try await profile.put("name", "Ann")
    try await profile.put("age", 41)
    try await profile.put("name", "Bob")
    try await profile.remove("age")
    #expect(try await profile.get("name", as: String.self) == "Bob")
    #expect(try await profile.get("age", as: Int.self) == nil)

    let page = cloud.map("page")
    try await page.add(2, to: "visits")
    try await page.add(3, to: "visits")
    try await page.insert("swift", into: "tags")
    try await page.put("title", "Home")
    try await page.offer(2.5, toMaximum: "slowest")
    #expect(try await page.get("visits", as: Int.self) == 5)
    #expect(try await page.get("tags", as: [String].self) == ["swift"])
    #expect(try await page.get("title", as: String.self) == "Home")
    let error = await #expect(throws: CloudburstError.self) { try await page.raise("visits") }
    #expect(error?.code == .lattice)
    await cloud.close()
  }

  @Test func writesThatHaveNotSeenEachOtherAreBothRead() async throws {
    let dev = try LocalDev()
    let cloud = try await CloudburstClient.connect(to: dev.endpoint)
    let other = try await CloudburstClient.connect(to: dev.endpoint)
    for withDependencies in [false, true] {
      let key = "causal/\(withDependencies)"
      let mine = cloud.causal(key, withDependencies: withDependencies)
      let theirs = other.causal(key, withDependencies: withDependencies)
      let before = try await mine.read(as: String.self)
      try await mine.put("a", after: before)
      try await theirs.put("b", after: before)
      let both = try await mine.read(as: String.self)
      #expect(Set(both.values) == ["a", "b"])
      try await mine.put("ab", after: both)
      #expect(try await theirs.read(as: String.self).values == ["ab"])
    }
    let depending = cloud.causal("depending", withDependencies: true)
    try await depending.put(1, after: nil, dependencies: ["k": ["ann": 3]])
    guard case .versions(let versions)? = try await cloud.inspect("depending")?.content else {
      Issue.record("no causal value")
      return
    }
    #expect(versions.first?.dependencies == ["k": ["ann": 3]])
    await cloud.close()
    await other.close()
  }

  @Test func aBatchAnswersKeyByKeyInOrder() async throws {
    let dev = try LocalDev()
    let cloud = try await CloudburstClient.connect(to: dev.endpoint)
    try await cloud.set("taken").add(1)
    let outcomes = try await cloud.put(["a": 1, "taken": 2, "b": "text"])
    #expect(outcomes.map { (try? $0.get()) != nil } == [true, false, true])
    let read = try await cloud.inspect(["b", "absent", "a"])
    #expect(try read[0].get()?.value(as: String.self) == "text")
    #expect(try read[1].get() == nil)
    #expect(try read[2].get()?.value(as: Int.self) == 1)
    let keys = (0..<3000).map { "many/\($0)" }
    let many = try await cloud.get(keys, as: Int.self)
    #expect(many.count == 3000 && many.allSatisfy { $0 == nil })
    _ = try await cloud.delete(["a", "b"])
    #expect(try await cloud.get(["a", "b"], as: Int.self) == [nil, nil])
    await cloud.close()
  }

  @Test func everyTypeSurvivesARestart() async throws {
    let dev = try LocalDev(durable: true)
    let cloud = try await CloudburstClient.connect(to: dev.endpoint)
    try await cloud.removableSet("or").add("x", level: .durable)
    try await cloud.removableSet("or").add("y", level: .durable)
    try await cloud.removableSet("or").remove("x", level: .durable)
    try await cloud.map("map").add(2, to: "n", level: .durable)
    try await cloud.map("map").add(2, to: "n", level: .durable)
    try await cloud.fields("fields").put("f", 1, level: .durable)
    try await cloud.priority("priority").put("p", priority: -1, level: .durable)
    try await cloud.causal("causal").put("c", after: nil, level: .durable)
    try await cloud.estimate("estimate").add(1...100, level: .durable)
    try dev.killDaemon()
    try dev.start()
    #expect(try await cloud.removableSet("or").elements(as: String.self) == ["y"])
    #expect(try await cloud.map("map").get("n", as: Int.self) == 4)
    #expect(try await cloud.fields("fields").get("f", as: Int.self) == 1)
    #expect(try await cloud.priority("priority").get(as: String.self)?.value == "p")
    #expect(try await cloud.causal("causal").read(as: String.self).values == ["c"])
    #expect((98...102).contains(try await cloud.estimate("estimate").value()))
    await cloud.close()
  }
}
