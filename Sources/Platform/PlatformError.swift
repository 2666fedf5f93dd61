import CPlatform
import Glibc

/// A system call that the kernel refused.
package struct PlatformError: Error, Hashable, Sendable, CustomStringConvertible {
  /// `errno` of the call.
  package let code: Int32
  /// The call's C name.
  package let call: String
  /// What was being done, as a phrase after "while": "reading /x".
  package let doing: String

  package init(code: Int32, call: String, doing: String) {
    self.code = code
    self.call = call
    self.doing = doing
  }

  /// Reads `errno`: the first thing to do after a failed call.
  static func current(in call: String, doing: @autoclosure () -> String) -> PlatformError {
    let code = errno
    return PlatformError(code: code, call: call, doing: doing())
  }

  /// The kernel's own name of the code, such as `ENOENT`.
  package var codeName: String { String(cString: cb_error_name(code)) }

  package var description: String {
    "\(call): \(String(cString: cb_error_text(code))) (\(codeName)) while \(doing)"
  }
}

/// Repeats a call that a signal interrupted, and throws what else went wrong.
@discardableResult
func retrying(
  _ call: String, doing: @autoclosure () -> String, _ body: () -> Int
) throws(PlatformError) -> Int {
  while true {
    let result = body()
    if result >= 0 { return result }
    let code = errno
    if code == EINTR { continue }
    throw PlatformError(code: code, call: call, doing: doing())
  }
}
