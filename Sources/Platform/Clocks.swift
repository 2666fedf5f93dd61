import CPlatform
import Glibc

/// Time since boot that never jumps: for deadlines, timers and durations in one machine.
package enum MonotonicClock {
  /// Nanoseconds.
  package static var now: UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
  }
}

/// The time of day, which may jump: for stamps and logs, never for waiting.
package enum WallClock {
  /// Milliseconds since 1970.
  package static var milliseconds: UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return UInt64(time.tv_sec) &* 1000 &+ UInt64(time.tv_nsec) / 1_000_000
  }
  /// Whether the kernel says that a time service keeps it.
  package static var isSynchronised: Bool { cb_clock_is_synchronised() != 0 }
}
