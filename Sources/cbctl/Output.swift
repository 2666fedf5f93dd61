import ArgumentParser
import CloudburstValues
import Glibc

enum OutputFormat: String, ExpressibleByArgument, CaseIterable {
  case text
  case json

  /// Before the words are parsed: errors of the parser, too, come in the format asked for.
  static func isJSON(in words: [String]) -> Bool {
    for (word, next) in zip(words, words.dropFirst() + [""]) {
      if word == "--" { return false }
      if (word == "-o" || word == "--output") && next == "json" { return true }
      if word == "-ojson" || word == "--output=json" { return true }
    }
    return false
  }
}

/// What a command has to say.
struct Output {
  /// For standard output with `-o json`.
  var json: AnyValue
  /// For standard output otherwise; a last newline is added where it lacks.
  var text: String
  /// Bytes for standard output as they are, instead of `text`.
  var raw: [UInt8]?
  /// For standard error.
  var notes: [String] = []
  /// What the program ends with: 0 unless the data itself says that something is wrong.
  var exitCode: Int32 = 0

  init(json: AnyValue, text: String) {
    self.json = json
    self.text = text
  }

  func write(_ format: OutputFormat) {
    for note in notes { StandardError.write(note + "\n") }
    switch format {
    case .json: StandardOutput.write(json.jsonText + "\n")
    case .text:
      if let raw {
        StandardOutput.write(raw)
      } else if !text.isEmpty {
        StandardOutput.write(text.hasSuffix("\n") ? text : text + "\n")
      }
    }
  }
}

extension AnyValue {
  /// One line. Keys are sorted, so that equal values print alike.
  var jsonText: String {
    guard let json = try? EncodedValue(self).converted(to: .json) else { return "null" }
    return String(decoding: json.bytes, as: UTF8.self)
  }

  /// A map without the entries that are nil.
  static func object(_ entries: KeyValuePairs<String, AnyValue?>) -> AnyValue {
    var map: [String: AnyValue] = [:]
    for (key, value) in entries { if let value { map[key] = value } }
    return .map(map)
  }

  /// For people: text without quotes, everything else as JSON.
  var plainText: String {
    if case .string(let text) = self { text } else { jsonText }
  }
}

enum StandardOutput {
  static func write(_ text: String) { write(Array(text.utf8)) }
  static func write(_ bytes: [UInt8]) { writeAll(bytes, to: 1) }
  /// Writes, for a stream. - Returns: whether there is still a reader.
  static func isTaking(_ text: String) -> Bool { writeAll(Array(text.utf8), to: 1) }
  static var isTerminal: Bool { isatty(1) == 1 }
}

enum StandardError {
  static func write(_ text: String) { writeAll(Array(text.utf8), to: 2) }
  static var isTerminal: Bool { isatty(2) == 1 }
}

/// A reader that has gone away is no error of ours: the rest is dropped.
///
/// - Returns: whether all of it was taken.
@discardableResult
private func writeAll(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
  var rest = bytes[...]
  while !rest.isEmpty {
    let written = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
    if written < 0 {
      if errno == EINTR { continue }
      return false
    }
    rest = rest.dropFirst(written)
  }
  return true
}

/// Columns as wide as their longest cell.
func table(_ rows: [[String]]) -> String {
  guard let columns = rows.map(\.count).max() else { return "" }
  let widths = (0..<columns).map { column in
    rows.map { $0.indices.contains(column) ? $0[column].count : 0 }.max() ?? 0
  }
  return rows.map { row in
    let cells = row.enumerated().map { index, cell in
      index == row.count - 1
        ? cell : cell + String(repeating: " ", count: widths[index] - cell.count)
    }
    return cells.joined(separator: "  ")
  }.joined(separator: "\n")
}
