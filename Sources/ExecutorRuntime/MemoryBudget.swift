import Glibc
import Platform

/// How much private memory this process may have while a call runs.
///
/// The kernel keeps the limit (`RLIMIT_DATA`): an allocation beyond it fails, which ends a Swift
/// function. What an idle executor has (about 20 MiB) and what earlier calls left behind count, so one
/// that holds much makes way for a fresh one rather than let the next call pay for it.
struct MemoryBudget {
  /// Between two looks at what the calls left behind.
  private static let lookInterval: UInt64 = 10_000_000

  private let memory: ProcessMemory?
  private let defaultBytes: UInt64
  /// The most that a call of this process has asked for: what it keeps may need it.
  private var highest: UInt64
  private var limit: UInt64
  private var lookedAt: UInt64 = 0

  /// The default is the limit that the process was started with.
  init() {
    memory = ProcessMemory(of: getpid())
    limit = memory?.limit ?? .max
    defaultBytes = limit
    highest = limit
  }

  /// - Parameter asked: bytes; nil for the default.
  mutating func begin(asking asked: UInt64?) {
    let wanted: UInt64
    if let asked, asked < defaultBytes {
      // Whatever is held already, some of what was asked for is there to be had.
      wanted = max(asked, mappedBytes + asked / 4)
    } else {
      highest = max(highest, asked ?? 0)
      wanted = highest
    }
    guard wanted != limit else { return }
    limit = wanted
    ProcessMemory.setOwnLimit(wanted)
  }

  /// Whether the calls so far left more behind than half of what the next one may expect.
  mutating func isSpent(now: UInt64) -> Bool {
    guard now >= lookedAt + Self.lookInterval else { return false }
    lookedAt = now
    return mappedBytes > highest / 2
  }

  private var mappedBytes: UInt64 { memory?.usage()?.mappedBytes ?? 0 }
}
