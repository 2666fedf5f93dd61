public import CloudburstValues
import ClusterModel
import WireProtocol

/// An argument of a call that is not simply a value: a stored value, bytes, or JSON.
///
/// ```swift
/// let sum: Double = try await cloud.call("dot", .reference("weights"), [0.1, 0.2])
/// let words: [String: Int] = try await cloud.call("word-count", .raw(bytesOfAFile))
/// ```
public struct CallArgument: Sendable {
  enum Content: Sendable {
    case encoded(EncodedValue)
    case reference(String)
    case refused(ValueError)
  }

  let content: Content
}

extension Value where Self == CallArgument {
  /// The value of a key, read where the function runs.
  public static func reference(_ key: String) -> CallArgument {
    CallArgument(content: .reference(key))
  }

  /// Bytes as they are, for a parameter that is a `String` or `[UInt8]`.
  public static func raw(_ bytes: [UInt8]) -> CallArgument {
    CallArgument(content: .encoded(EncodedValue(encoding: .raw, bytes: bytes)))
  }

  /// One JSON text, decoded as the parameter's type where the function runs.
  public static func json(_ text: String) -> CallArgument {
    CallArgument(content: .encoded(EncodedValue(encoding: .json, bytes: Array(text.utf8))))
  }

  /// A value that is encoded already.
  public static func encoded(_ value: EncodedValue) -> CallArgument {
    CallArgument(content: .encoded(value))
  }

  /// Any value, where a list of arguments is needed: `["increment": [.value(n)]]`.
  public static func value(_ value: some Value) -> CallArgument {
    do throws(ValueError) {
      return CallArgument(content: .encoded(try EncodedValue(value)))
    } catch {
      return CallArgument(content: .refused(error))
    }
  }
}

/// Stands among values in a call's arguments; it is not one, and nothing stores or returns it.
extension CallArgument: Value {
  public static var valueTypeName: String { "CallArgument" }

  public func encode(into writer: inout NativeWriter) throws(ValueError) {
    throw ValueError(expected: "a value", found: "an argument of a call")
  }

  public init(from reader: inout NativeReader) throws(ValueError) {
    throw reader.mismatch(expected: "a value, not an argument of a call")
  }
}

extension CallArgument: ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral,
  ExpressibleByBooleanLiteral, ExpressibleByStringLiteral
{
  public init(integerLiteral value: Int) { self = .value(value) }
  public init(floatLiteral value: Double) { self = .value(value) }
  public init(booleanLiteral value: Bool) { self = .value(value) }
  public init(stringLiteral value: String) { self = .value(value) }
}

extension Argument {
  /// - Parameter number: from 1, for the message when the value cannot be encoded.
  init(_ value: some Value, number: Int) throws {
    guard let argument = value as? CallArgument else {
      self.init(encoding: ValueEncoding.native.rawValue, value: try Self.bytes(of: value, number))
      return
    }
    switch argument.content {
    case .encoded(let value):
      self.init(encoding: value.encoding.rawValue, value: value.bytes[...])
    case .reference(let key): self.init(reference: try Key(validating: key))
    case .refused(let error): throw CloudburstError(argument: number, error)
    }
  }

  private static func bytes(of value: some Value, _ number: Int) throws -> Bytes {
    do throws(ValueError) {
      return try EncodedValue(value).bytes[...]
    } catch {
      throw CloudburstError(argument: number, error)
    }
  }
}

extension CloudburstError {
  init(argument number: Int, _ error: ValueError) {
    self.init(.badArgument, "\(error.inside("argument \(number)"))")
  }
}
