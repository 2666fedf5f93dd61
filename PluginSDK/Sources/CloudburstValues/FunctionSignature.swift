/// A function's signature as bundles declare it: "(Int, [Double]) -> String".
public struct FunctionSignature: Hashable, Sendable, CustomStringConvertible {
  public var parameters: [String]
  /// "Void" when there is none.
  public var result: String

  public init(parameters: [String], result: String) {
    self.parameters = parameters
    self.result = result
  }

  /// - Returns: `nil` for a text of another form. Names ("x: Int") are dropped.
  public init?(parsing text: String) {
    guard text.hasPrefix("("), let arrow = text.lastRange(ofArrow: ()) else { return nil }
    let list = text[..<arrow.lowerBound].trimmed
    guard list.hasSuffix(")") else { return nil }
    let result = String(text[arrow.upperBound...].trimmed)
    guard !result.isEmpty,
      let parameters = Self.split(list.dropFirst().dropLast())
    else { return nil }
    self.init(parameters: parameters, result: result)
  }

  public var description: String {
    "(\(parameters.joined(separator: ", "))) -> \(result)"
  }

  /// Whether raw bytes, as of a file, may be given for a parameter.
  public func acceptsRaw(at index: Int) -> Bool {
    guard parameters.indices.contains(index) else { return false }
    return ["String", "[UInt8]", "String?", "[UInt8]?", "Any"].contains(parameters[index])
  }

  private static func split(_ list: Substring) -> [String]? {
    var parts: [String] = []
    var (depth, part) = (0, "")
    for character in list {
      switch character {
      case "[", "(", "<": depth += 1
      case "]", ")", ">": depth -= 1
      case "," where depth == 0:
        parts.append(part)
        part = ""
        continue
      case ":" where depth == 0:
        part = ""
        continue
      default: break
      }
      part.append(character)
    }
    guard depth == 0 else { return nil }
    if parts.isEmpty, part.allSatisfy(\.isWhitespace) { return [] }
    parts.append(part)
    let trimmed = parts.map { String($0[...].trimmed) }
    return trimmed.contains("") ? nil : trimmed
  }
}

extension Substring {
  fileprivate var trimmed: Substring {
    var text = self.drop(while: \.isWhitespace)
    while text.last?.isWhitespace == true { text.removeLast() }
    return text
  }
}

extension String {
  fileprivate func lastRange(ofArrow: Void) -> Range<String.Index>? {
    var index = endIndex
    while index > startIndex {
      index = self.index(before: index)
      if self[index...].hasPrefix("->") { return index..<self.index(index, offsetBy: 2) }
    }
    return nil
  }
}
