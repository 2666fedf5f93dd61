import CPlatform
import CZeroMQ
import Glibc
import Platform

/// Waits for sockets, descriptors and a deadline at once, for one loop; allocates nothing a wait.
///
/// A socket is reported for as long as something waits in it, so a loop may take a bounded number
/// of messages a turn and come back. What is watched must outlive the watching.
package struct Poller: ~Copyable {
  package struct Interest: OptionSet, Hashable, Sendable {
    package let rawValue: Int16
    package init(rawValue: Int16) { self.rawValue = rawValue }
    package static let readable = Interest(rawValue: 1)
    package static let writable = Interest(rawValue: 2)
  }

  /// One watched thing; the number is free again after `stopWatching`.
  package struct Slot: Hashable, Sendable { fileprivate let index: Int }

  private struct Watched {
    var socket: UnsafeMutableRawPointer?
    var news: News?
    var isRouter = false
    var interest: Interest = []
    var ready: Interest = []
  }

  private var watched: [Watched] = []
  private var items: [pollfd] = []
  private var freeSlots: [Int] = []

  package init() {}

  package mutating func watch(
    _ socket: borrowing Socket, for interest: Interest = .readable
  ) throws(ZeroMQError) -> Slot {
    try watch(socket.handle, telling: socket.news, isRouter: socket.kind == .router, interest)
  }

  /// Readable while ``Socket/nextConnectionEvent()`` has something to tell.
  package mutating func watchConnections(
    of socket: borrowing Socket
  ) throws(ZeroMQError) -> Slot {
    try watch(
      socket.connectionEventsHandle, telling: socket.connectionNews, isRouter: false, .readable)
  }

  package mutating func watch(descriptor: Int32, for interest: Interest = .readable) -> Slot {
    add(
      Watched(interest: interest),
      pollfd(fd: descriptor, events: descriptorEvents(interest), revents: 0))
  }

  /// An empty interest keeps the slot and never reports it.
  ///
  /// A ROUTER cannot be watched for writing: it is writable as soon as *any* peer has room, so a
  /// loop that waits for one slow peer would spin. Try again at a deadline instead.
  package mutating func setInterest(_ interest: Interest, of slot: Slot) {
    let isSocket = watched[slot.index].socket != nil
    precondition(!(watched[slot.index].isRouter && interest.contains(.writable)))
    watched[slot.index].interest = interest
    if !isSocket { items[slot.index].events = descriptorEvents(interest) }
  }

  /// Before the socket or descriptor is closed.
  package mutating func stopWatching(_ slot: Slot) {
    watched[slot.index].news?.isWatched = false
    watched[slot.index] = Watched()
    items[slot.index] = pollfd(fd: -1, events: 0, revents: 0)
    freeSlots.append(slot.index)
  }

  /// What the last wait found.
  package func readiness(of slot: Slot) -> Interest { watched[slot.index].ready }

  package func isReadable(_ slot: Slot) -> Bool { readiness(of: slot).contains(.readable) }

  /// Sleeps until something watched is ready or the deadline has come.
  ///
  /// - Parameter deadline: of `MonotonicClock`; `nil` is for ever, one in the past only looks.
  /// - Returns: how many slots are ready; 0 at the deadline.
  package mutating func wait(until deadline: UInt64?) throws(ZeroMQError) -> Int {
    while true {
      // A socket's descriptor tells of news only, not of what already waits: look before sleeping.
      var readyCount = try lookAtSockets()
      var nanoseconds: Int64 = -1
      if readyCount > 0 {
        nanoseconds = 0  // A busy socket does not starve the others.
      } else if let deadline {
        let now = MonotonicClock.now
        nanoseconds = deadline > now ? Int64(clamping: deadline - now) : 0
      }
      let result = cb_poll(&items, items.count, nanoseconds)
      if result < 0 {
        let number = errno
        if number != EINTR { throw ZeroMQError(errno: number, call: "ppoll", doing: "waiting") }
        if readyCount == 0 { continue }
      }
      if result <= 0 {
        forgetDescriptors()
        return readyCount
      }
      readyCount = try lookAtSignalled()
      if readyCount > 0 { return readyCount }
      // News inside a socket that was nothing for us (a peer came or went).
    }
  }

  private mutating func watch(
    _ handle: UnsafeMutableRawPointer, telling news: News, isRouter: Bool, _ interest: Interest
  ) throws(ZeroMQError) -> Slot {
    precondition(!(isRouter && interest.contains(.writable)), "see setInterest(_:of:)")
    var descriptor: Int32 = -1
    var size = MemoryLayout<Int32>.size
    try check("zmq_getsockopt", doing: "watching a socket") {
      zmq_getsockopt(handle, ZMQ_FD, &descriptor, &size)
    }
    news.isWatched = true
    return add(
      Watched(socket: handle, news: news, isRouter: isRouter, interest: interest),
      pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0))
  }

  private mutating func add(_ entry: Watched, _ item: pollfd) -> Slot {
    guard let index = freeSlots.popLast() else {
      watched.append(entry)
      items.append(item)
      return Slot(index: watched.count - 1)
    }
    watched[index] = entry
    items[index] = item
    return Slot(index: index)
  }

  /// Asks the sockets that may have something without a signal.
  private mutating func lookAtSockets() throws(ZeroMQError) -> Int {
    var readyCount = 0
    for index in watched.indices {
      guard let news = watched[index].news else { continue }
      if news.mayWait || watched[index].interest.contains(.writable) {
        try lookAtSocket(index, news)
        if !watched[index].ready.isEmpty { readyCount += 1 }
      } else {
        watched[index].ready = []
      }
    }
    return readyCount
  }

  /// Asks the sockets and descriptors that are signalled. - Returns: how many slots are ready in all.
  private mutating func lookAtSignalled() throws(ZeroMQError) -> Int {
    var readyCount = 0
    for index in watched.indices {
      if let news = watched[index].news {
        if items[index].revents != 0 { try lookAtSocket(index, news) }
      } else if items[index].fd >= 0 {
        lookAtDescriptor(index)
      }
      if !watched[index].ready.isEmpty { readyCount += 1 }
    }
    return readyCount
  }

  private mutating func lookAtSocket(_ index: Int, _ news: News) throws(ZeroMQError) {
    var events: Int32 = 0
    var size = MemoryLayout<Int32>.size
    let socket = watched[index].socket
    try check("zmq_getsockopt", doing: "looking at a socket") {
      zmq_getsockopt(socket, ZMQ_EVENTS, &events, &size)
    }
    // ZMQ_POLLIN and ZMQ_POLLOUT are the bits of Interest.
    let found = Interest(rawValue: Int16(events))
    if found.contains(.readable) { news.notePossible() } else { news.noteNone() }
    watched[index].ready = found.intersection(watched[index].interest)
  }

  private mutating func lookAtDescriptor(_ index: Int) {
    let found = Int32(items[index].revents)
    precondition(found & Int32(POLLNVAL) == 0, "a descriptor is closed after its watching ends")
    var ready: Interest = []
    if found & Int32(POLLIN) != 0 { ready.insert(.readable) }
    if found & Int32(POLLOUT) != 0 { ready.insert(.writable) }
    // An error or a hang-up shows at the next read or write, whichever the owner does.
    if found & Int32(POLLERR | POLLHUP) != 0 { ready.formUnion(watched[index].interest) }
    watched[index].ready = ready
  }

  private mutating func forgetDescriptors() {
    for index in watched.indices where watched[index].socket == nil { watched[index].ready = [] }
  }
}

private func descriptorEvents(_ interest: Poller.Interest) -> Int16 {
  var events: Int16 = 0
  if interest.contains(.readable) { events |= Int16(POLLIN) }
  if interest.contains(.writable) { events |= Int16(POLLOUT) }
  return events
}
