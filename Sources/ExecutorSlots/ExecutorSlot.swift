package import ClusterModel
import Synchronization

/// One executor's place in the slot table: written by that executor, but for the incarnation and the
/// recall, which are its agent's.
///
/// Layout: 0 incarnation, 8 number of the last dispatch begun, 16 dispatches up to this number are
/// recalled unless begun, 24 changes of what follows (odd while it is being changed), 32 monotonic
/// nanoseconds since when it runs (0: idle), 40 deadline on the same clock (0: none), 48 and 56
/// invocation id, 64 attempt, 72 and 80 first bytes of the bundle's digest, 88 byte count of the
/// function's name, 96 to 192 the name.
package struct ExecutorSlot {
  static let byteCount = 192
  private static let nameOffset = 96
  private static let nameBytesMax = byteCount - nameOffset

  /// What an executor runs at a moment.
  package struct Running: Equatable, Sendable {
    package var invocation = InvocationID.none
    package var attempt: UInt32 = 0
    /// Cut to 96 bytes.
    package var function = ""
    /// The first 16 bytes of its bundle's digest.
    package var bundle: (high: UInt64, low: UInt64) = (0, 0)
    /// Nanoseconds of the monotonic clock.
    package var since: UInt64 = 0
    /// On the same clock; nil: none.
    package var deadline: UInt64?

    package init() {}

    package static func == (left: Running, right: Running) -> Bool {
      left.invocation == right.invocation && left.attempt == right.attempt
        && left.function == right.function && left.bundle == right.bundle
        && left.since == right.since && left.deadline == right.deadline
    }
  }

  private let start: UnsafeMutableRawPointer

  init(_ start: UnsafeMutableRawPointer) { self.start = start }

  /// Before the executor's process starts, and after its predecessor was reaped.
  package func reset(for incarnation: Incarnation) {
    start.initializeMemory(as: UInt8.self, repeating: 0, count: Self.byteCount)
    word(0).pointee.store(incarnation.number, ordering: .sequentiallyConsistent)
  }

  package var incarnation: Incarnation {
    Incarnation(word(0).pointee.load(ordering: .acquiring))
  }

  /// The last dispatch begun; zero for none.
  package var started: UInt64 { word(8).pointee.load(ordering: .sequentiallyConsistent) }

  /// Takes back all dispatches up to a number that are not begun. An executor that begins one at the
  /// same moment either is seen here, or sees this: each writes first, then reads (`begin`).
  ///
  /// - Returns: the last dispatch begun.
  package func recall(upTo number: UInt64) -> UInt64 {
    word(16).pointee.store(number, ordering: .sequentiallyConsistent)
    return started
  }

  /// Nil while the executor is idle, or changes its slot all the time.
  package var running: Running? {
    for _ in 0..<16 {
      let before = word(24).pointee.load(ordering: .acquiring)
      guard before.isMultiple(of: 2) else { continue }
      let copy = snapshot()
      atomicMemoryFence(ordering: .acquiring)
      guard word(24).pointee.load(ordering: .relaxed) == before else { continue }
      return copy.since == 0 ? nil : copy
    }
    return nil
  }

  /// - Returns: false when the dispatch was recalled: it is not to be run.
  package func begin(_ number: UInt64) -> Bool {
    word(8).pointee.store(number, ordering: .sequentiallyConsistent)
    return word(16).pointee.load(ordering: .sequentiallyConsistent) < number
  }

  /// A scheduler that begins anew counts anew: what an earlier one recalled means nothing to it.
  package func forgetRecalls() { word(16).pointee.store(0, ordering: .sequentiallyConsistent) }

  package func show(_ running: Running) {
    change {
      word(32).pointee.store(running.since, ordering: .relaxed)
      word(40).pointee.store(running.deadline ?? 0, ordering: .relaxed)
      word(48).pointee.store(running.invocation.high, ordering: .relaxed)
      word(56).pointee.store(running.invocation.low, ordering: .relaxed)
      word(64).pointee.store(UInt64(running.attempt), ordering: .relaxed)
      word(72).pointee.store(running.bundle.high, ordering: .relaxed)
      word(80).pointee.store(running.bundle.low, ordering: .relaxed)
      var name = running.function
      let count = name.withUTF8 { bytes in
        let count = min(bytes.count, Self.nameBytesMax)
        if let bytes = bytes.baseAddress {
          (start + Self.nameOffset).copyMemory(from: bytes, byteCount: count)
        }
        return count
      }
      word(88).pointee.store(UInt64(count), ordering: .relaxed)
    }
  }

  package func showIdle() {
    change { word(32).pointee.store(0, ordering: .relaxed) }
  }

  private func change(_ body: () -> Void) {
    let count = word(24).pointee.load(ordering: .relaxed)
    word(24).pointee.store(count &+ 1, ordering: .relaxed)
    atomicMemoryFence(ordering: .releasing)
    body()
    word(24).pointee.store(count &+ 2, ordering: .releasing)
  }

  private func snapshot() -> Running {
    var running = Running()
    running.since = word(32).pointee.load(ordering: .relaxed)
    let deadline = word(40).pointee.load(ordering: .relaxed)
    running.deadline = deadline == 0 ? nil : deadline
    running.invocation = InvocationID(
      high: word(48).pointee.load(ordering: .relaxed),
      low: word(56).pointee.load(ordering: .relaxed))
    running.attempt = UInt32(truncatingIfNeeded: word(64).pointee.load(ordering: .relaxed))
    running.bundle = (
      word(72).pointee.load(ordering: .relaxed), word(80).pointee.load(ordering: .relaxed)
    )
    let count = min(Int(clamping: word(88).pointee.load(ordering: .relaxed)), Self.nameBytesMax)
    running.function = String(
      decoding: UnsafeRawBufferPointer(start: start + Self.nameOffset, count: count), as: UTF8.self)
    return running
  }

  private func word(_ offset: Int) -> UnsafeMutablePointer<Atomic<UInt64>> {
    (start + offset).assumingMemoryBound(to: Atomic<UInt64>.self)
  }
}
