import Foundation
import Testing

/// The bundles that tests upload: the examples, built as users build them, and those of
/// `Tests/Fixtures`.
enum Bundles {
  private static let lock = NSLock()

  /// Builds what is not built yet.
  static func path(of name: String) throws -> String {
    lock.lock()
    defer { lock.unlock() }
    if FileManager.default.fileExists(atPath: source(of: name)) { return try compiled(name) }
    let fixture = Workbench.repository + "/Tests/Fixtures/\(name)"
    let isFixture = FileManager.default.fileExists(atPath: fixture)
    let folder = isFixture ? fixture : Workbench.repository + "/Examples/\(name)"
    let library = "\(folder)/.build/release/lib\(name).so"
    if !FileManager.default.fileExists(atPath: library) {
      let outcome = try run(
        "/usr/bin/env", ["swift", "build", "-c", "release"], in: folder, limit: 600)
      try #require(outcome.status == 0, "\(outcome)")
    }
    return library
  }

  private static func source(of name: String) -> String {
    Workbench.repository + "/Tests/Fixtures/\(name).c"
  }

  /// A bundle that is one file in C, compiled with these definitions.
  static func compiled(_ name: String, _ definitions: [String] = []) throws -> String {
    let source = source(of: name)
    let variant = definitions.joined().filter(\.isLetter)
    let library = NSTemporaryDirectory() + "/cb-\(name)\(variant)-\(getpid()).so"
    if !FileManager.default.fileExists(atPath: library) {
      let include = Workbench.repository + "/PluginSDK/Sources/CCloudburst/include"
      let outcome = try run(
        "/usr/bin/env",
        ["cc", "-shared", "-fPIC", "-O1", "-I", include, "-o", library, source]
          + definitions.map { "-D" + $0 })
      try #require(outcome.status == 0, "\(outcome)")
    }
    return library
  }
}
