import CCloudburst
package import ClusterModel

/// What one call borrows while it runs: keep it, and the arguments' bytes, until the call is over.
package final class Invocation {
  package let call: CallHandle
  let invoke: cb_invoke
  let isAsync: Bool
  let table: UnsafeMutablePointer<cb_invocation>
  private let block: UnsafeMutableRawPointer

  /// - Parameter arguments: borrowed until the call is over; not copied.
  package init(
    call: CallHandle, of function: LoadedFunction, id: InvocationID, attempt: Int,
    arguments: [BorrowedValue]
  ) {
    self.call = call
    invoke = function.invoke
    isAsync = function.isAsync
    // One block: the table, its arguments, the id.
    let argumentsStart = MemoryLayout<cb_invocation>.stride
    let idStart = argumentsStart + arguments.count * MemoryLayout<cb_value>.stride
    block = .allocate(byteCount: idStart + 16, alignment: 16)
    let values = (block + argumentsStart).bindMemory(to: cb_value.self, capacity: arguments.count)
    for (index, argument) in arguments.enumerated() {
      (values + index).initialize(to: cb_value(argument))
    }
    (block + idStart).storeBytes(of: id.high.bigEndian, as: UInt64.self)
    (block + idStart).storeBytes(of: id.low.bigEndian, toByteOffset: 8, as: UInt64.self)
    table = block.bindMemory(to: cb_invocation.self, capacity: 1)
    table.initialize(
      to: cb_invocation(
        struct_size: UInt32(MemoryLayout<cb_invocation>.size),
        argument_count: UInt32(arguments.count), call: call, function: function.pointer,
        arguments: values, id: (block + idStart).assumingMemoryBound(to: UInt8.self),
        attempt: UInt32(clamping: attempt), reserved: 0))
  }

  deinit {
    block.deallocate()
  }
}

extension cb_value {
  init(_ value: BorrowedValue) {
    self.init(
      bytes: value.bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), count: value.bytes.count,
      encoding: UInt32(value.encoding), reserved: 0)
  }
}

extension BorrowedValue {
  /// - Returns: `nil` for an encoding that does not exist.
  init?(_ value: cb_value) {
    guard value.encoding <= UInt32(CB_ENCODING_NATIVE), value.count == 0 || value.bytes != nil
    else {
      return nil
    }
    self.init(
      encoding: UInt8(value.encoding),
      bytes: BorrowedBytes(start: value.bytes, count: value.count))
  }
}
