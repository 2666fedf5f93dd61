import CloudburstValues
package import ClusterModel

extension Failure {
  static let cancelled = Failure(.cancelled, "the caller cancelled the call")

  static func deadline(before what: String) -> Failure {
    Failure(.deadlineExceeded, "the call's time was over before \(what)")
  }

  package static func resultTooLarge(_ byteCount: Int) -> Failure {
    Failure(
      .resultTooLarge,
      "the result has \(byteCount) bytes, more than the \(Limits.valueBytesMax) a value may have",
      hint: "put it under several keys and return their names")
  }

  /// What a body gave as its end, in the platform's words. Codes that only the platform may use, and
  /// an author's own, are failures of the function and stay readable in the text.
  static func ofBody(code name: String, _ message: String) -> Failure {
    let message = message.cut(to: Limits.failureDetailBytesMax)
    guard let code = ErrorCode(name: name), bodyCodes.contains(code) else {
      return Failure(.functionFailed, "\(name.cut(to: 128)): \(message)")
    }
    return Failure(code, message)
  }

  private static let bodyCodes: Set<ErrorCode> = [
    .functionFailed, .badArgument, .setUpFailed, .resultTooLarge, .badRequest, .keyInvalid,
    .keyReserved,
    .valueTooLarge, .keyNotFound, .lattice, .conflict, .unavailable, .overloaded,
    .deadlineExceeded, .cancelled, .internalError,
  ]
}

extension String {
  /// The first bytes of the text, whole characters only.
  fileprivate func cut(to bytesMax: Int) -> String {
    guard utf8.count > bytesMax else { return self }
    var end = utf8.index(startIndex, offsetBy: bytesMax)
    while end > startIndex, end.samePosition(in: unicodeScalars) == nil {
      end = utf8.index(before: end)
    }
    return String(self[..<end])
  }
}

/// The result in an encoding that the caller takes.
///
/// - Parameter mask: bit 1 << `ValueEncoding`; zero takes any.
func accepted(
  _ result: (encoding: UInt8, bytes: Bytes), by mask: UInt32
) throws(Failure) -> (encoding: UInt8, bytes: Bytes) {
  guard let encoding = ValueEncoding(rawValue: result.encoding) else {
    throw Failure(.functionFailed, "the result has the unknown encoding \(result.encoding)")
  }
  func takes(_ encoding: ValueEncoding) -> Bool { mask & (1 << UInt32(encoding.rawValue)) != 0 }
  if mask == 0 || takes(encoding) { return result }
  guard let target = [ValueEncoding.native, .json, .raw].first(where: takes) else {
    throw Failure(.badRequest, "the call accepts no encoding that is known here")
  }
  do {
    let value = EncodedValue(encoding: encoding, bytes: Array(result.bytes))
    return (target.rawValue, try value.converted(to: target).bytes[...])
  } catch {
    let code = target == .raw ? ErrorCode.badRequest : .functionFailed
    throw Failure(code, "the \(encoding) result cannot be given as \(target): \(error)")
  }
}
