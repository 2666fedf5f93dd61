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

  package static func word() -> UInt64 {
    var word: UInt64 = 0
    withUnsafeMutableBytes(of: &word) { fill($0) }
    return word
  }
}
