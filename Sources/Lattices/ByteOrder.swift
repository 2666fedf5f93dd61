/// Compares like `memcmp`, then by length: negative, zero or positive as `left` is below, equal to or
/// above `right`. Eight bytes a step, because sets spend their merges here.
@inlinable public func compareBytes(_ left: ArraySlice<UInt8>, _ right: ArraySlice<UInt8>) -> Int {
  left.withUnsafeBytes { left in right.withUnsafeBytes { right in compareBytes(left, right) } }
}

/// The same order over borrowed memory of any alignment.
@inlinable public func compareBytes(
  _ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer
) -> Int {
  let shared = min(left.count, right.count)
  var offset = 0
  while offset &+ 8 <= shared {
    let a = left.loadUnaligned(fromByteOffset: offset, as: UInt64.self).bigEndian
    let b = right.loadUnaligned(fromByteOffset: offset, as: UInt64.self).bigEndian
    if a != b { return a < b ? -1 : 1 }
    offset &+= 8
  }
  while offset < shared {
    let a = left[offset]
    let b = right[offset]
    if a != b { return a < b ? -1 : 1 }
    offset &+= 1
  }
  return left.count - right.count
}
