import Foundation
import Testing

/// The bundles that tests upload: the examples, built as users build them, and some in C: one that
/// misbehaves in every way a function can, one that takes its time.
enum Bundles {
  private static let lock = NSLock()

  /// Builds what is not built yet.
  static func path(of name: String) throws -> String {
    lock.lock()
    defer { lock.unlock() }
    if name == "misbehaving" || name == "napping" { return try inC(name) }
    let folder =
      name == "crashing"
      ? Workbench.repository + "/Tests/Fixtures/crashing"
      : Workbench.repository + "/Examples/\(name)"
    let library = "\(folder)/.build/release/lib\(name).so"
    if !FileManager.default.fileExists(atPath: library) {
      let outcome = try run(
        "/usr/bin/env", ["swift", "build", "-c", "release"], in: folder, limit: 600)
      try #require(outcome.status == 0, "\(outcome)")
    }
    return library
  }

  private static func inC(_ name: String) throws -> String {
    let source = Workbench.repository + "/Tests/Fixtures/\(name).c"
    let library = NSTemporaryDirectory() + "/cb-\(name)-\(getpid()).so"
    if !FileManager.default.fileExists(atPath: library) {
      let include = Workbench.repository + "/PluginSDK/Sources/CCloudburst/include"
      let outcome = try run(
        "/usr/bin/env", ["cc", "-shared", "-fPIC", "-O1", "-I", include, "-o", library, source])
      try #require(outcome.status == 0, "\(outcome)")
    }
    return library
  }
}
