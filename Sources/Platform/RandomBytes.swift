import CPlatform

/// Bytes nobody can guess, from the kernel: for identifiers, incarnations and seeds.
package enum RandomBytes {
  package static func fill(_ buffer: UnsafeMutableRawBufferPointer) {
    guard cb_random(buffer.baseAddress, buffer.count) == 0 else {
      preconditionFailure("getrandom cannot fail on the kernels we support")
    }
  }

  package static func bytes(_ count: Int) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
      fill(UnsafeMutableRawBufferPointer(buffer))
      initialized = count
    }
  }

  /// Each word is given out once; they are fetched by the page, because every call of a client draws
  /// two and a system call each would show.
  package static func word() -> UInt64 {
    stock.withLock { words in
      if words.isEmpty {
        words = [UInt64](unsafeUninitializedCapacity: stockWords) { buffer, initialized in
          fill(UnsafeMutableRawBufferPointer(buffer))
          initialized = stockWords
        }
      }
      return words.removeLast()
    }
  }

  private static let stockWords = 64
  private static let stock = Locked<[UInt64]>([])
}
