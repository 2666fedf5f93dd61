import CZeroMQ
import Synchronization

/// The bytes that wait for one peer: in its outbox, and inside libzmq until they are with the kernel.
///
/// libzmq limits messages, not bytes: a thousand small answers are nothing, a thousand large ones
/// are more than the machine has. Frames below ``countedBytesMin`` are counted only in the outbox.
package final class ByteAccount: Sendable {
  package static let countedBytesMin = 16 << 10

  private let bytes = Atomic<Int>(0)
  private let whole: ByteAccount?

  /// - Parameter whole: an account of several peers, which this one is part of.
  package init(partOf whole: ByteAccount? = nil) { self.whole = whole }

  /// What was never taken back goes with the account: frames of an outbox that is gone.
  deinit { whole?.add(-bytes.load(ordering: .relaxed)) }

  package var count: Int { bytes.load(ordering: .relaxed) }

  package func add(_ count: Int) {
    bytes.add(count, ordering: .relaxed)
    whole?.add(count)
  }

  /// Makes a message with a copy of the body that counts until libzmq lets go of it.
  func fill(_ message: inout zmq_msg_t, with body: [UInt8]) {
    let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: body.count, alignment: 16)
    copy.copyBytes(from: body)
    add(body.count)
    let share = Parcel(account: self, byteCount: body.count)
    share.isHandedOver.store(true, ordering: .releasing)
    let parcel = Unmanaged.passRetained(share)
    zmq_msg_init_data(&message, copy.baseAddress, copy.count, letGo, parcel.toOpaque())
  }
}

/// One message's share, in libzmq's hands.
private final class Parcel: Sendable {
  let account: ByteAccount
  let byteCount: Int
  /// Orders what is written here before what its last owner reads, without relying on how libzmq
  /// passes messages between its threads.
  let isHandedOver = Atomic(false)

  init(account: ByteAccount, byteCount: Int) {
    self.account = account
    self.byteCount = byteCount
  }
}

/// Called once a message, on whichever thread libzmq lets go of it.
private func letGo(_ body: UnsafeMutableRawPointer?, _ parcel: UnsafeMutableRawPointer?) {
  body?.deallocate()
  guard let parcel else { return }
  let taken = Unmanaged<Parcel>.fromOpaque(parcel).takeRetainedValue()
  guard taken.isHandedOver.load(ordering: .acquiring) else {
    preconditionFailure("a message is let go of after it was handed over")
  }
  taken.account.add(-taken.byteCount)
}
