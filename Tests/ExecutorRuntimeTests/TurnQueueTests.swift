import Glibc
import Platform
import PluginHost
import Testing
import ZeroMQ

@testable import ExecutorRuntime

@Suite struct TurnQueueTests {
  @Test func aPostFromAnotherThreadWakesThePoller() throws {
    let queue = try TurnQueue()
    var poller = Poller()
    let slot = poller.watch(descriptor: queue.descriptor)
    let thread = try LoopThread(name: "poster") { _ = queue.post(PostedTurn.nothing) }
    _ = try poller.wait(until: MonotonicClock.now + 5_000_000_000)
    thread.join()
    let isReadable = poller.isReadable(slot)
    #expect(isReadable)
    #expect(queue.take().count == 1)
    let readyAfter = try poller.wait(until: 0)
    #expect(readyAfter == 0)
  }

  @Test func theLoopsOwnPostsNeedNoWakeUp() throws {
    let queue = try TurnQueue()
    var poller = Poller()
    _ = poller.watch(descriptor: queue.descriptor)
    #expect(queue.post(.nothing))
    let readyAfter = try poller.wait(until: 0)
    #expect(readyAfter == 0)
    #expect(queue.take().count == 1)
  }

  @Test func aClosedQueueRefuses() throws {
    let queue = try TurnQueue()
    queue.close()
    #expect(!queue.post(.nothing))
  }
}

extension PostedTurn {
  fileprivate static var nothing: PostedTurn { PostedTurn(thunk: { _ in }, context: nil) }
}
