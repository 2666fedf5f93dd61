import ClusterModel
import Execution
import PluginHost
import SharedCache

/// A function's body from its start to its end, with every byte it borrows.
final class RunningBody {
  let call: CallHandle
  let bundle: LoadedBundle
  let invocationID: InvocationID
  let function: String
  let invocation: Invocation
  /// Set by `result` or `fail`; the stage ends once the body says that it is over.
  var outcome: StageOutcome?
  var isComplete = false
  /// Reads that wait for `resume`: the core's token and the bundle's.
  var awaited: [(token: UInt64, bundleToken: UInt64)] = []
  /// Large values that the body may still look at, by the read that found them.
  var mapped: [UInt64: LargeValue]
  private let arguments: AlignedBytes
  private var view: AlignedBytes?

  /// Copies the arguments: a slice of a frame may start anywhere, and numeric arrays are read in
  /// place only where they are aligned. Mapped ones are lent as they are.
  init(
    _ run: StageRun, call: CallHandle, of function: LoadedFunction, in bundle: LoadedBundle,
    mapped: [UInt64: LargeValue]
  ) {
    self.call = call
    self.bundle = bundle
    self.mapped = mapped
    self.function = run.function
    invocationID = run.invocation
    let byteCount = run.copiedByteCount
    let copied = byteCount == 0 ? AlignedBytes.none : AlignedBytes(byteCount: byteCount)
    arguments = copied
    var offset = 0
    var values: [BorrowedValue] = []
    values.reserveCapacity(run.arguments.count)
    for argument in run.arguments {
      switch argument {
      case .value(let encoding, let bytes):
        values.append(BorrowedValue(encoding: encoding, bytes: copied.store(bytes, at: offset)))
        offset += AlignedBytes.roundedUp(bytes.count)
      case .mapped(let encoding, let read):
        guard let value = mapped[read] else {
          preconditionFailure("a mapped argument was looked up for this call")
        }
        values.append(BorrowedValue(encoding: encoding, bytes: value.bytes))
      }
    }
    invocation = Invocation(
      call: call, of: function, id: run.invocation, attempt: Int(run.attempt), arguments: values)
  }

  /// Lends what a read found until the next one.
  func lend(_ answer: ReadAnswer) throws(HostRefusal) -> StoredView? {
    switch answer {
    case .missing: return nil
    case .counter(let value): return .counter(value)
    case .failed(let failure): throw HostRefusal(failure)
    case .value(let encoding, let bytes):
      return .value(BorrowedValue(encoding: encoding, bytes: room(for: bytes.count).store(bytes)))
    case .mapped(let encoding, let read):
      guard let value = mapped[read] else {
        preconditionFailure("a mapped answer was looked up for this call")
      }
      return .value(BorrowedValue(encoding: encoding, bytes: value.bytes))
    case .set(let encoding, let elements):
      let byteCount = elements.reduce(0) { $0 + 4 + $1.count }
      let room = room(for: byteCount)
      var offset = 0
      for element in elements {
        room.store(UInt32(element.count), at: offset)
        _ = room.store(element, at: offset + 4)
        offset += 4 + element.count
      }
      return .set(
        count: elements.count,
        BorrowedValue(encoding: encoding, bytes: room.bytes(count: byteCount)))
    }
  }

  private func room(for byteCount: Int) -> AlignedBytes {
    if let view, view.byteCount >= byteCount { return view }
    let room = AlignedBytes(byteCount: max(byteCount, 256))
    view = room
    return room
  }
}

/// Memory that starts at a multiple of 16, lent to a body.
final class AlignedBytes {
  private let memory: UnsafeMutableRawBufferPointer

  init(byteCount: Int) {
    memory = .allocate(byteCount: max(byteCount, 16), alignment: 16)
  }

  deinit { memory.deallocate() }

  // SAFETY: holds no bytes that anybody writes: nothing of it is ever stored to or read.
  nonisolated(unsafe) static let none = AlignedBytes(byteCount: 0)

  static func roundedUp(_ byteCount: Int) -> Int { (byteCount + 15) & ~15 }

  var byteCount: Int { memory.count }

  func bytes(count: Int) -> BorrowedBytes { BorrowedBytes(rebasing: memory[..<count]) }

  func store(_ bytes: Bytes, at offset: Int = 0) -> BorrowedBytes {
    let place = UnsafeMutableRawBufferPointer(rebasing: memory[offset..<offset + bytes.count])
    bytes.withUnsafeBytes { place.copyMemory(from: $0) }
    return BorrowedBytes(place)
  }

  func store(_ number: UInt32, at offset: Int) {
    memory.storeBytes(of: number.littleEndian, toByteOffset: offset, as: UInt32.self)
  }
}

extension StageRun {
  fileprivate var copiedByteCount: Int {
    arguments.reduce(0) { sum, argument in
      guard case .value(_, let bytes) = argument else { return sum }
      return sum + AlignedBytes.roundedUp(bytes.count)
    }
  }
}

extension HostRefusal {
  /// A failure as a body is told of it.
  init(_ failure: Failure) {
    let status: Status
    switch failure.code {
    case .lattice: status = .lattice
    case .deadlineExceeded, .timedOut: status = .deadline
    case .overloaded: status = .overloaded
    case .cancelled: status = .cancelled
    case .keyInvalid: status = .keyInvalid
    case .keyReserved: status = .keyReserved
    case .valueTooLarge: status = .tooLarge
    case .internalError: status = .internalError
    default: status = .unavailable
    }
    self.init(status, failure.message)
  }
}
