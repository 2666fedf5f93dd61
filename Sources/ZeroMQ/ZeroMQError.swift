import CZeroMQ
import Glibc

/// Something that ZeroMQ, or the kernel below it, refused.
package struct ZeroMQError: Error, Hashable, Sendable, CustomStringConvertible {
  package enum Code: Hashable, Sendable {
    /// The port or path is taken.
    case addressInUse
    /// No interface of this machine has the address.
    case addressNotAvailable
    /// No endpoint at all, or one whose name does not resolve.
    case invalidEndpoint
    /// A transport we do not know, or one that does not fit the socket.
    case unsupportedTransport
    /// The folder of an ipc endpoint is missing or closed to us.
    case pathNotAccessible
    /// An ipc endpoint's path is longer than the kernel takes (107 bytes).
    case pathTooLong
    /// The frame is longer than the socket's `messageBytesMax`; nothing was sent.
    case messageTooLong
    /// The context's `socketsMax`, or the process's limit of descriptors.
    case tooManySockets
    /// The context was shut down: the loop should end.
    case terminated
    /// Any other `errno`.
    case other(Int32)
  }

  package let code: Code
  /// The C call's name.
  package let call: String
  /// What was being done: "binding tcp://127.0.0.1:7700".
  package let doing: String

  package init(code: Code, call: String, doing: String) {
    self.code = code
    self.call = call
    self.doing = doing
  }

  init(errno number: Int32, call: String, doing: String) {
    self.init(code: Code(errno: number), call: call, doing: doing)
  }

  package var description: String { "\(call): \(code.text) while \(doing)" }
}

extension ZeroMQError.Code {
  init(errno number: Int32) {
    self =
      switch number {
      case EADDRINUSE: .addressInUse
      case EADDRNOTAVAIL, ENODEV: .addressNotAvailable
      case EINVAL: .invalidEndpoint
      case EPROTONOSUPPORT, Int32(ENOCOMPATPROTO): .unsupportedTransport
      case ENOENT, EACCES, ENOTDIR: .pathNotAccessible
      case ENAMETOOLONG: .pathTooLong
      case EMSGSIZE: .messageTooLong
      case EMFILE, ENFILE: .tooManySockets
      case ETERM: .terminated
      default: .other(number)
      }
  }

  fileprivate var text: String {
    switch self {
    case .addressInUse: "the address is already in use"
    case .addressNotAvailable: "no interface here has the address"
    case .invalidEndpoint: "the endpoint is not valid"
    case .unsupportedTransport: "the transport is not supported"
    case .pathNotAccessible: "the folder is missing or not accessible"
    case .pathTooLong: "the path is too long for a socket"
    case .messageTooLong: "the message is longer than the socket allows"
    case .tooManySockets: "too many sockets or descriptors are open"
    case .terminated: "the context was shut down"
    case .other(let number): String(cString: zmq_strerror(number))
    }
  }
}
