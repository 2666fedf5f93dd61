import ArgumentParser
import CloudburstClient
import CloudburstValues
import ClusterModel
import Glibc
import Platform

struct Upload: ClusterCommand {
  static let configuration = CommandConfiguration(
    abstract: "Register the functions of bundles.",
    discussion: """
      A path is a shared object, or the folder of a package, which is built first
      (swift build -c release). The same bytes again change nothing.

      Examples:
        cbctl upload .build/release/libhello.so
        cbctl upload .
        cbctl upload ../arithmetic ../word-count
      """)

  @OptionGroup var cluster: ClusterOptions
  @Argument(help: "Shared objects, or folders of packages.") var paths: [String]

  func run(on cloud: CloudburstClient) async throws -> Output {
    var reports: [UploadReport] = []
    for path in paths {
      for file in try BundleFile.find(at: path) {
        reports.append(
          try await cloud.upload(path: file) { progress in
            guard StandardError.isTerminal, progress.bytesTotal > 4 << 20 else { return }
            StandardError.write(
              "\r\(file): \(progress.bytesSent >> 20) of \(progress.bytesTotal >> 20) MiB")
          })
      }
    }
    return Output(
      json: .array(reports.map(\.json)), text: reports.map(\.text).joined(separator: "\n"))
  }
}

extension UploadReport {
  fileprivate var text: String {
    let state = isUnchanged ? "unchanged" : "uploaded"
    var lines = ["\(bundle) \(version) \(state)"]
    lines += functions.map { function in
      let note = replaced.contains(function.name) ? "  (replaces the version before)" : ""
      return "  \(function.name) \(function.signature)\(note)"
    }
    return lines.joined(separator: "\n")
  }

  fileprivate var json: AnyValue {
    .map([
      "bundle": .string(bundle), "version": .string(version), "unchanged": .bool(isUnchanged),
      "functions": .array(functions.map(\.json)),
      "replaced": .array(replaced.map(AnyValue.string)),
    ])
  }
}

/// Finds what to upload: a file as it is, or what a package builds.
enum BundleFile {
  static func find(at path: String) throws -> [String] {
    guard Files.exists(path) else {
      throw Failure(
        .fileNotFound, "\(path) is not there", hint: "cbctl upload .build/release/libNAME.so")
    }
    guard isFolder(path) else { return [path] }
    guard Files.exists(path + "/Package.swift") else {
      throw Failure(
        .fileNotFound, "\(path) has no Package.swift, so there is nothing to build",
        hint: "cbctl new NAME makes a package")
    }
    StandardError.write("building \(path) …\n")
    try Subprocess.run("swift", ["build", "-c", "release", "--package-path", path])
    let folder = path + "/.build/release"
    let found = ((try? Files.names(in: folder)) ?? [])
      .filter { $0.hasPrefix("lib") && $0.hasSuffix(".so") }.map { "\(folder)/\($0)" }
    guard !found.isEmpty else {
      throw Failure(
        .bundleInvalid, "\(path) builds no shared object",
        hint: "declare a product: .library(name: …, type: .dynamic, targets: […])")
    }
    return found
  }

  private static func isFolder(_ path: String) -> Bool {
    var facts = stat()
    return stat(path, &facts) == 0 && facts.st_mode & S_IFMT == S_IFDIR
  }
}

/// A program of the user's, with our terminal.
enum Subprocess {
  /// - Throws: `fileNotFound` when there is no such program, `bundleInvalid` when it fails.
  static func run(_ program: String, _ arguments: [String]) throws {
    guard let path = searchPath(program) else {
      throw Failure(.fileNotFound, "\(program) is not on the PATH")
    }
    var command = ChildProcess.Command(path, arguments, environment: environment())
    // What a build says is talk: standard output stays for data.
    command.output = 2
    command.errors = 2
    command.input = 0
    var child = try ChildProcess(command)
    let status = try child.waitUntilEnded()
    guard status == .exited(0) else {
      throw Failure(
        .bundleInvalid, "\(program) \(arguments.joined(separator: " ")) failed (\(status))",
        hint: "mend what it printed above")
    }
  }

  static func environment() -> [String] {
    var lines: [String] = []
    var entry = environ
    while let line = entry.pointee {
      lines.append(String(cString: line))
      entry += 1
    }
    return lines
  }

  static func searchPath(_ program: String) -> String? {
    let path = getenv("PATH").map { String(cString: $0) } ?? "/usr/bin:/bin"
    return path.split(separator: ":").map { "\($0)/\(program)" }
      .first { access($0, X_OK) == 0 }
  }
}
