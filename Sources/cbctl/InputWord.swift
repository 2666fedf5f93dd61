import CloudburstClient
import CloudburstValues
import ClusterModel
import Glibc
import Platform

/// One word of a command line that stands for a value: JSON, `ref:KEY`, `@FILE` or `-`.
enum InputWord {
  /// As the native value it stands for: bundles in other languages need not parse JSON.
  case json(EncodedValue)
  case reference(String)
  /// A file's bytes, or standard input's, as they are.
  case raw([UInt8], from: String)

  /// - Throws: `badArgument` for a word that is no JSON, showing how to quote it; `fileNotFound`.
  init(_ word: String) throws {
    if word.hasPrefix("ref:") {
      self = .reference(String(word.dropFirst(4)))
    } else if word == "-" {
      self = .raw(try Self.standardInput(), from: "standard input")
    } else if word.hasPrefix("@") {
      self = .raw(try Self.file(String(word.dropFirst())), from: word)
    } else {
      guard let native = try? JSONToNative.convert(Array(word.utf8)) else {
        throw Failure(
          .badArgument, "\(word) is no JSON",
          hint: "for text write '\(AnyValue.string(word).jsonText)' (with both pairs of quotes), "
            + "for a stored value ref:KEY, for a file @FILE")
      }
      self = .json(EncodedValue(encoding: .native, bytes: native))
    }
  }

  /// As `init`, reading nothing: what can be told from the word alone.
  static func check(_ word: String) throws {
    if word != "-" && !word.hasPrefix("@") { _ = try InputWord(word) }
  }

  var argument: CallArgument {
    switch self {
    case .json(let value): .encoded(value)
    case .reference(let key): .reference(key)
    case .raw(let bytes, _): .raw(bytes)
    }
  }

  /// Learns which version of each referenced key there is now, so that the call reads none before
  /// it: two commands in a row then see each other's writes, as two requests of one program do.
  static func learnVersions(
    of words: some Sequence<InputWord>, with cloud: CloudburstClient
  ) async throws {
    for case .reference(let key) in words { _ = try await cloud.inspect(key) }
  }

  /// As a value to store: JSON is stored natively, so that functions read it without parsing.
  func storedValue() throws -> EncodedValue {
    switch self {
    case .json(let value): return value
    case .raw(let bytes, _): return EncodedValue(encoding: .raw, bytes: bytes)
    case .reference(let key):
      throw Failure(
        .usage, "ref:\(key) cannot be stored: references are arguments of calls",
        hint: "cbctl kv get \(key)")
    }
  }

  private static func file(_ path: String) throws -> [UInt8] {
    do throws(PlatformError) {
      return try Files.contents(of: path, bytesMax: Limits.valueBytesMax)
    } catch  where error.code == EFBIG {
      throw Failure(
        .valueTooLarge, "\(path) is larger than one value may be (\(Limits.valueBytesMax) bytes)",
        hint: "store it in parts, and pass a key")
    } catch {
      throw Failure(.fileNotFound, "\(path) cannot be read: \(error.codeName)")
    }
  }

  private static func standardInput() throws -> [UInt8] {
    try file("/dev/stdin")
  }
}
