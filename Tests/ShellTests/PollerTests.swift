import ClusterModel
import Glibc
import Platform
import Testing
import ZeroMQ

private struct TookTooLong: Error {}

/// Ten seconds from now: a test that waits so long has failed.
private func patience() -> UInt64 { MonotonicClock.now + 10_000_000_000 }

/// Sends as soon as the connection is there.
private func send(_ body: [UInt8], through socket: borrowing Socket) throws {
  var poller = Poller()
  _ = try poller.watch(socket, for: .writable)
  while try poller.wait(until: patience()) > 0 {
    if try socket.trySend(body) == .sent { return }
  }
  throw TookTooLong()
}

@Suite struct PollerTests {
  @Test func theDeadlineComesWithoutNews() throws {
    let event = try EventFD()
    var poller = Poller()
    let slot = poller.watch(descriptor: event.raw)
    let deadline = MonotonicClock.now + 3_000_000
    #expect(try poller.wait(until: deadline) == 0)
    #expect(MonotonicClock.now >= deadline)
    #expect(poller.readiness(of: slot) == [])
  }

  @Test func aDescriptorIsReportedUntilItIsRead() throws {
    let event = try EventFD()
    var poller = Poller()
    let slot = poller.watch(descriptor: event.raw)
    event.signal()
    #expect(try poller.wait(until: patience()) == 1)
    #expect(try poller.wait(until: patience()) == 1)
    #expect(poller.readiness(of: slot) == .readable)
    event.clear()
    #expect(try poller.wait(until: 0) == 0)
    #expect(poller.readiness(of: slot) == [])
  }

  @Test func aSocketIsReportedUntilItIsDrained() throws {
    let context = try Context()
    let pull = try Socket(.pull, in: context)
    let push = try Socket(.push, in: context)
    try push.connect(to: try pull.bind(to: "inproc://drained"))
    for number: UInt8 in 1...3 { try send([number], through: push) }
    var poller = Poller()
    let slot = try poller.watch(pull)
    var message = ReceivedMessage()
    for number: UInt8 in 1...3 {
      #expect(try poller.wait(until: patience()) == 1)
      #expect(poller.readiness(of: slot) == .readable)
      #expect(try pull.tryReceive(into: &message) == .message)
      #expect(message.body == [number])
    }
    #expect(try poller.wait(until: 0) == 0)
    #expect(poller.readiness(of: slot) == [])
  }

  /// libzmq takes in news, and their signal, when it sends.
  @Test func aMessageTakenInWhileSendingIsReported() throws {
    let context = try Context()
    let here = try Socket(.pair, in: context)
    let there = try Socket(.pair, in: context)
    try there.connect(to: try here.bind(to: "inproc://taken-in"))
    var poller = Poller()
    let slot = try poller.watch(here)
    var message = ReceivedMessage()
    #expect(try poller.wait(until: 0) == 0)
    #expect(try here.tryReceive(into: &message) == .nothing)
    try send([1], through: there)
    try send([2], through: here)
    #expect(try poller.wait(until: patience()) == 1)
    #expect(poller.readiness(of: slot) == .readable)
    #expect(try here.tryReceive(into: &message) == .message)
  }

  @Test func aBusySocketDoesNotHideAnother() throws {
    let context = try Context()
    let busy = try Socket(.pull, in: context)
    let late = try Socket(.pull, in: context)
    let push = try Socket(.push, in: context)
    let latePush = try Socket(.push, in: context)
    try push.connect(to: try busy.bind(to: "inproc://busy-one"))
    try latePush.connect(to: try late.bind(to: "inproc://late-one"))
    var poller = Poller()
    let busySlot = try poller.watch(busy)
    let lateSlot = try poller.watch(late)
    #expect(try poller.wait(until: 0) == 0)
    try send([1], through: push)
    #expect(try poller.wait(until: patience()) == 1)
    try send([2], through: latePush)
    #expect(try poller.wait(until: patience()) == 2)
    #expect(poller.readiness(of: busySlot) == .readable)
    #expect(poller.readiness(of: lateSlot) == .readable)
  }

  @Test func aBusySocketDoesNotHideADescriptor() throws {
    let context = try Context()
    let pull = try Socket(.pull, in: context)
    let push = try Socket(.push, in: context)
    try push.connect(to: try pull.bind(to: "inproc://busy"))
    try send([1], through: push)
    let event = try EventFD()
    var poller = Poller()
    let socketSlot = try poller.watch(pull)
    let eventSlot = poller.watch(descriptor: event.raw)
    event.signal()
    #expect(try poller.wait(until: patience()) == 2)
    #expect(poller.readiness(of: socketSlot) == .readable)
    #expect(poller.readiness(of: eventSlot) == .readable)
  }

  @Test func anEndedPeerOfADescriptorIsReported() throws {
    let pipe = try Pipe()
    let reader = pipe.reader()
    var poller = Poller()
    let slot = poller.watch(descriptor: reader.raw)
    #expect(try poller.wait(until: patience()) == 1)
    #expect(poller.readiness(of: slot) == .readable)
  }

  @Test func aDescriptorThatTookAClosedOnesNumberStaysWatched() throws {
    var poller = Poller()
    // A number that no other test gets meanwhile.
    let first = try EventFD()
    let number = fcntl(first.raw, F_DUPFD_CLOEXEC, 900)
    _ = consume first
    try #require(number >= 900)
    let firstSlot = poller.watch(descriptor: number)
    #expect(try poller.wait(until: 0) == 0)
    close(number)
    let second = try EventFD()
    try #require(dup2(second.raw, number) == number)
    defer { close(number) }
    let secondSlot = poller.watch(descriptor: number)
    #expect(try poller.wait(until: 0) == 0)
    poller.stopWatching(firstSlot)
    second.signal()
    #expect(try poller.wait(until: patience()) == 1)
    #expect(poller.readiness(of: secondSlot) == .readable)
  }

  @Test func whatIsNoLongerWatchedIsNotReported() throws {
    let event = try EventFD()
    event.signal()
    var poller = Poller()
    let slot = poller.watch(descriptor: event.raw)
    poller.stopWatching(slot)
    #expect(try poller.wait(until: 0) == 0)
    let other = poller.watch(descriptor: event.raw)
    #expect(try poller.wait(until: 0) == 1)
    #expect(poller.readiness(of: other) == .readable)
  }

  @Test func aMessageFromAnotherThreadEndsTheSleep() throws {
    let mailbox = try Mailbox<Int>(countMax: 1)
    let context = try Context()
    let router = try Socket(.router, in: context)
    var poller = Poller()
    _ = try poller.watch(router)
    let slot = poller.watch(descriptor: mailbox.descriptor)
    let thread = try LoopThread(name: "poster") { _ = mailbox.tryPost(1) }
    #expect(try poller.wait(until: patience()) == 1)
    #expect(poller.readiness(of: slot) == .readable)
    thread.join()
  }
}
