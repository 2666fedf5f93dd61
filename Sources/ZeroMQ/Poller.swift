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
    /// The descriptor, or the one that tells of a socket's news; -1 in a free slot.
    var descriptor: Int32 = -1
    var socket: UnsafeMutableRawPointer?
    var news: News?
    var isRouter = false
    var interest: Interest = []
    var ready: Interest = []
    /// What the kernel watches the descriptor for.
    var told: Interest = []
  }

  private var watched: [Watched] = []
  private var freeSlots: [Int] = []
  /// Opened by the first wait; its number is -1 until then.
  private var epoll: FileDescriptor?
  private var epollNumber: Int32 = -1
  /// Whether the kernel is to be told of a change before the next wait.
  private var isStale = false
  private var found = [cb_ready](repeating: cb_ready(), count: foundMax)

  /// Of the descriptors that are signalled, those told by one wait; the others follow in the next.
  private static let foundMax = 32

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
    add(Watched(descriptor: descriptor, interest: interest))
  }

  /// An empty interest keeps the slot and never reports it.
  ///
  /// A ROUTER cannot be watched for writing: it is writable as soon as *any* peer has room, so a
  /// loop that waits for one slow peer would spin. Try again at a deadline instead.
  package mutating func setInterest(_ interest: Interest, of slot: Slot) {
    precondition(!(watched[slot.index].isRouter && interest.contains(.writable)))
    guard watched[slot.index].interest != interest else { return }
    watched[slot.index].interest = interest
    isStale = true
  }

  /// Before the socket is closed; a descriptor may be closed already.
  package mutating func stopWatching(_ slot: Slot) {
    let old = watched[slot.index]
    old.news?.isWatched = false
    watched[slot.index] = Watched()
    freeSlots.append(slot.index)
    // A descriptor that was closed may have become another, which is watched in another slot.
    if !old.told.isEmpty, !watched.contains(where: { $0.descriptor == old.descriptor }) {
      forget(old.descriptor)
    }
  }

  /// What the last wait found.
  package func readiness(of slot: Slot) -> Interest { watched[slot.index].ready }

  package func isReadable(_ slot: Slot) -> Bool { readiness(of: slot).contains(.readable) }

  /// Sleeps until something watched is ready or the deadline has come.
  ///
  /// - Parameter deadline: of `MonotonicClock`; `nil` is for ever, one in the past only looks.
  /// - Returns: how many slots are ready; 0 at the deadline.
  package mutating func wait(until deadline: UInt64?) throws(ZeroMQError) -> Int {
    let epoll = try told()
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
      let count = cb_epoll_wait(epoll, &found, Int32(Self.foundMax), nanoseconds)
      if count < 0 {
        let number = errno
        if number != EINTR {
          throw ZeroMQError(errno: number, call: "epoll_wait", doing: "waiting")
        }
        if readyCount == 0 { continue }
      }
      if count <= 0 { return readyCount }
      for signalled in found[..<Int(count)] { readyCount += try look(at: signalled) }
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
      Watched(
        descriptor: descriptor, socket: handle, news: news, isRouter: isRouter, interest: interest))
  }

  private mutating func add(_ entry: Watched) -> Slot {
    isStale = true
    guard let index = freeSlots.popLast() else {
      watched.append(entry)
      return Slot(index: watched.count - 1)
    }
    watched[index] = entry
    return Slot(index: index)
  }

  /// Asks the sockets that may have something without a signal.
  private mutating func lookAtSockets() throws(ZeroMQError) -> Int {
    var readyCount = 0
    for index in watched.indices {
      if let news = watched[index].news,
        news.mayWait || watched[index].interest.contains(.writable)
      {
        try lookAtSocket(index, news)
        if !watched[index].ready.isEmpty { readyCount += 1 }
      } else {
        watched[index].ready = []
      }
    }
    return readyCount
  }

  /// - Returns: 1 where the slot is ready and was not, else 0.
  private mutating func look(at signalled: cb_ready) throws(ZeroMQError) -> Int {
    let index = Int(signalled.slot)
    guard watched[index].descriptor >= 0 else { return 0 }
    let wasReady = !watched[index].ready.isEmpty
    if let news = watched[index].news {
      try lookAtSocket(index, news)
      return !wasReady && !watched[index].ready.isEmpty ? 1 : 0
    }
    let events = Int32(signalled.events)
    var ready: Interest = []
    if events & Int32(POLLIN) != 0 { ready.insert(.readable) }
    if events & Int32(POLLOUT) != 0 { ready.insert(.writable) }
    // An error or a hang-up shows at the next read or write, whichever the owner does.
    if events & Int32(POLLHUP) != 0 { ready.formUnion(watched[index].interest) }
    watched[index].ready = ready
    return !wasReady && !ready.isEmpty ? 1 : 0
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
}

/// What the kernel is told.
extension Poller {
  /// - Returns: the descriptor to wait on, with every slot as it is now.
  private mutating func told() throws(ZeroMQError) -> Int32 {
    let epoll = try opened()
    guard isStale else { return epoll }
    for index in watched.indices where watched[index].descriptor >= 0 {
      let isSocket = watched[index].socket != nil
      // A socket's own descriptor is readable whatever the news are.
      let wanted = isSocket ? .readable : watched[index].interest
      guard wanted != watched[index].told else { continue }
      let descriptor = watched[index].descriptor
      if wanted.isEmpty {
        forget(descriptor)
      } else if cb_epoll_watch(
        epoll, descriptor, UInt32(index), events(of: wanted), isSocket ? 1 : 0) != 0
      {
        throw ZeroMQError(errno: errno, call: "epoll_ctl", doing: "watching \(descriptor)")
      }
      watched[index].told = wanted
    }
    isStale = false
    return epoll
  }

  private mutating func opened() throws(ZeroMQError) -> Int32 {
    if epollNumber >= 0 { return epollNumber }
    let raw = cb_epoll()
    guard raw >= 0 else {
      throw ZeroMQError(errno: errno, call: "epoll_create1", doing: "making a poller")
    }
    epoll = FileDescriptor(owning: raw)
    epollNumber = raw
    return raw
  }

  private func forget(_ descriptor: Int32) {
    if epollNumber >= 0 { cb_epoll_forget(epollNumber, descriptor) }
  }
}

private func events(of interest: Poller.Interest) -> Int16 {
  var events: Int16 = 0
  if interest.contains(.readable) { events |= Int16(POLLIN) }
  if interest.contains(.writable) { events |= Int16(POLLOUT) }
  return events
}
