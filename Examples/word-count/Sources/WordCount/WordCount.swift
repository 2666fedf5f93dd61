import CloudburstFunctions

/// What a text is made of.
struct Report: Codable, Value, Equatable {
  struct Word: Codable, Equatable {
    var word: String
    var count: Int
  }
  /// Words in all.
  var words: Int
  /// Different words.
  var distinct: Int
  /// The most frequent ones, ten at most; of equally frequent ones in alphabetical order.
  var top: [Word]
}

let bundle = FunctionBundle("word-count") {
  Function("word-count") { (text: String) in report(on: text) }
}

/// Words are runs of letters, with apostrophes between them, without regard to case.
func report(on text: String) -> Report {
  var counts: [[UInt8]: Int] = [:]
  var total = 0
  for word in text.lowercased().utf8.split(whereSeparator: { !isPartOfWord($0) }) {
    let word = trimmed(word)
    if word.isEmpty { continue }
    counts[word, default: 0] += 1
    total += 1
  }
  let ranked = counts.sorted { left, right in
    (right.value, left.key.text) < (left.value, right.key.text)
  }
  return Report(
    words: total, distinct: counts.count,
    top: ranked.prefix(10).map { Report.Word(word: $0.key.text, count: $0.value) })
}

/// ASCII letters, the apostrophe, and all bytes of letters beyond ASCII.
private func isPartOfWord(_ byte: UInt8) -> Bool {
  (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || byte == UInt8(ascii: "'")
    || byte >= 0x80
}

private func trimmed(_ word: Substring.UTF8View.SubSequence) -> [UInt8] {
  var bytes = Array(word.drop { $0 == UInt8(ascii: "'") })
  while bytes.last == UInt8(ascii: "'") { bytes.removeLast() }
  return bytes
}

extension [UInt8] {
  fileprivate var text: String { String(decoding: self, as: UTF8.self) }
}

@c(cloudburst_bundle) public func entry() -> UnsafePointer<cb_bundle>? { bundle.descriptor }
