import Foundation

/// The repository's Swift files, read once; every rule looks at the same text.
struct SourceTree: Sendable {
  struct File: Sendable {
    /// Relative to the repository.
    let path: String
    let text: String

    var lines: [Substring] { text.split(separator: "\n", omittingEmptySubsequences: false) }

    /// The target whose folder holds the file: `Sources/Caching/Evict.swift` is in `Caching`.
    var target: String {
      let parts = path.split(separator: "/")
      guard let index = parts.lastIndex(where: { $0 == "Sources" || $0 == "Tests" }),
        index + 1 < parts.count
      else { return "" }
      return String(parts[index + 1])
    }

    var isGenerated: Bool { path.contains("/Generated/") }
  }

  let files: [File]

  static let root = URL(filePath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

  static let shared = SourceTree()

  private init() {
    var files: [File] = []
    for folder in ["Sources", "PluginSDK/Sources", "Tests"] {
      let top = Self.root.appending(path: folder)
      let found = FileManager.default.enumerator(at: top, includingPropertiesForKeys: nil)
      for case let url as URL in found ?? FileManager.DirectoryEnumerator() {
        guard url.pathExtension == "swift", !url.path.contains("/.build") else { continue }
        guard let text = try? String(contentsOf: url, encoding: .utf8) else { continue }
        let path = url.path.replacing(Self.root.path + "/", with: "")
        files.append(File(path: path, text: text))
      }
    }
    self.files = files.sorted { $0.path < $1.path }
  }

  var production: [File] {
    files.filter { !$0.path.hasPrefix("Tests/") && !$0.isGenerated }
  }

  static func document(_ path: String) throws -> String {
    try String(contentsOf: root.appending(path: path), encoding: .utf8)
  }
}
