import ClusterModel
import Connections
import WireProtocol
import ZeroMQ

/// A dialer with its place in the executor's poller.
struct Connection: ~Copyable {
  private var dialer: Dialer
  private let frames: Poller.Slot
  private let news: Poller.Slot

  init(
    to endpoint: String, as hello: Hello, in context: Context, _ poller: inout Poller
  ) throws(ZeroMQError) {
    let name = PeerID("\(hello.name)@\(hello.processID)")
    var dialer = try Dialer(to: endpoint, as: hello, named: name, in: context)
    (frames, news) = try dialer.watch(in: &poller)
    self.dialer = dialer
  }

  var isConnected: Bool { dialer.isConnected }
  var deadline: UInt64? { dialer.deadline }
  var endpoint: String { dialer.endpoint }

  func hasNews(in poller: borrowing Poller) -> Bool {
    poller.isReadable(frames) || poller.isReadable(news)
  }

  mutating func next() throws(ZeroMQError) -> Dialer.Event? { try dialer.next() }

  /// - Returns: false when the connection is not there; the frame is then still the caller's.
  mutating func send(_ frame: [UInt8]) throws(ZeroMQError) -> Bool {
    try dialer.send(frame) == .sent
  }

  mutating func tend(now: UInt64, _ poller: inout Poller) throws(ZeroMQError) {
    try dialer.tend(now: now, poller: &poller)
  }
}
