import ClusterModel
import Testing

/// `docs/errors.md` and `ErrorCode` are one list.
@Suite struct ErrorListTests {
  /// Table rows `| 302 | KEY_NOT_FOUND | 3 | … |`.
  private func documented() throws -> [(number: UInt16, name: String, exit: Int32)] {
    try SourceTree.document("docs/errors.md").split(separator: "\n").compactMap { line in
      let cells = line.split(separator: "|").map { $0.trimmingPrefix { $0 == " " } }
      guard cells.count >= 4, let number = UInt16(trimmed(cells[0])),
        let exit = Int32(trimmed(cells[2]))
      else { return nil }
      return (number, trimmed(cells[1]).replacing("`", with: ""), exit)
    }
  }

  private func trimmed(_ text: some StringProtocol) -> String {
    text.split(separator: " ").joined(separator: " ")
  }

  @Test func everyCodeIsDocumentedWithItsNumberAndExitCode() throws {
    let rows = try documented()
    for code in ErrorCode.allCases {
      let row = rows.first { $0.name == code.name }
      #expect(row?.number == code.rawValue, "\(code.name) in docs/errors.md")
      #expect(row?.exit == code.exitCode, "\(code.name)'s exit code in docs/errors.md")
    }
  }

  @Test func nothingElseIsDocumented() throws {
    for row in try documented() {
      #expect(ErrorCode(name: row.name) != nil, "\(row.name) is documented but does not exist")
    }
  }
}
