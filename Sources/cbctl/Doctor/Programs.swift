import ClusterModel
import Glibc
import Platform

/// The programs of the platform beside this one, what they are linked with, and the compiler.
enum Programs {
  private static let names = ["cloudburstd", "cloudburst-executor"]

  static func siblings() -> Check {
    var check = Check(name: "programs", state: .ok, found: "")
    for name in names {
      let path = "\(ProgramFolder.path)/\(name)"
      guard access(path, X_OK) == 0 else {
        return Check(
          name: check.name, state: .missing, found: "\(path) is not there",
          hint: "install all programs in one folder; from source: swift build -c release "
            + "--product \(name)")
      }
      let version = version(of: path)
      guard version.first == PlatformVersion.text else {
        let found = version.first ?? "it does not say"
        return Check(
          name: check.name, state: .missing,
          found: "\(path) has version \(found), cbctl has \(PlatformVersion.text)",
          hint: "install the programs of one version together")
      }
    }
    check.found =
      "\(names.joined(separator: ", ")) \(PlatformVersion.text) in \(ProgramFolder.path)"
    return check
  }

  /// The version, and for the executor also the toolchain that bundles must be of.
  private static func version(of path: String) -> [String] {
    guard let outcome = Captured.run(path, ["--version"]), outcome.isGood else { return [] }
    return outcome.text.split(separator: "\n").map(String.init)
  }

  /// What the loader says: the programs are not run, only looked up.
  static func libraries() -> [Check] {
    var absent: [String] = []
    var found: [String] = []
    for name in names where access("\(ProgramFolder.path)/\(name)", X_OK) == 0 {
      var environment = Subprocess.environment()
      environment.append("LD_TRACE_LOADED_OBJECTS=1")
      let outcome = Captured.run("\(ProgramFolder.path)/\(name)", [], environment: environment)
      for line in outcome?.text.split(separator: "\n") ?? [] {
        let words = line.split { $0 == " " || $0 == "\t" }
        guard words.count >= 3, words[1] == "=>" else { continue }
        if words[2] == "not" {
          absent.append(String(words[0]))
        } else {
          found.append(String(words[0]))
        }
      }
    }
    let own = packages.filter { package in found.contains { $0.hasPrefix(package.library) } }
    guard absent.isEmpty else {
      return Set(absent).sorted().map { library in
        Check(
          name: "library", state: .missing, found: "\(library) is not found by the loader",
          hint: hint(for: library))
      }
    }
    guard !found.isEmpty else { return [] }
    return [
      Check(
        name: "libraries", state: .ok,
        found: own.map(\.library).joined(separator: ", ") + " and the Swift runtime are found")
    ]
  }

  private static let packages:
    [(library: String, runtime: String, headers: String, header: String)] =
      [
        ("libzmq", "libzmq5", "libzmq3-dev", "zmq.h"),
        ("liblmdb", "liblmdb0", "liblmdb-dev", "lmdb.h"),
        ("librocksdb", "librocksdb7.8", "librocksdb-dev", "rocksdb/c.h"),
        ("libsodium", "libsodium23", "libsodium-dev", "sodium.h"),
      ]

  private static func hint(for library: String) -> String {
    if let package = packages.first(where: { library.hasPrefix($0.library) }) {
      return "apt-get install \(package.runtime) (Debian 12)"
    }
    if library.hasPrefix("libswift") || library.contains("Foundation") {
      return "install the Swift runtime that these programs were built with: swift.org/install"
    }
    return "apt-get install the package that has \(library)"
  }

  /// For building the platform itself; functions need none of them.
  static func headers() -> Check {
    let folders = ["/usr/include", "/usr/local/include"]
    let absent = packages.filter { package in
      !folders.contains { Files.exists("\($0)/\(package.header)") }
    }
    guard absent.isEmpty else {
      return Check(
        name: "headers", state: .warning,
        found: "\(absent.map(\.header).joined(separator: ", ")) not found: only needed to build "
          + "the platform from source",
        hint: "apt-get install \(absent.map(\.headers).joined(separator: " "))")
    }
    return Check(
      name: "headers", state: .ok, found: "\(packages.map(\.header).joined(separator: ", "))")
  }

  /// Whether bundles built on this machine are bundles that its executor loads.
  static func toolchain() -> Check {
    let install = "install Swift 6.3 from swift.org/install, and put its usr/bin on the PATH"
    guard let swift = Subprocess.searchPath("swift"), let real = Files.realPath(swift) else {
      return Check(
        name: "swift", state: .warning, found: "not on the PATH: functions cannot be built here",
        hint: install)
    }
    let folder = String(real[..<(real.lastIndex(of: "/") ?? real.startIndex)])
    let macros = Captured.run("\(folder)/clang", ["-dM", "-E", "-x", "c", "/dev/null"])?.text ?? ""
    let needed = version(of: "\(ProgramFolder.path)/cloudburst-executor").dropFirst().first
    guard let line = macros.split(separator: "\n").first(where: { $0.contains("__VERSION__") }),
      let start = line.firstIndex(of: "\""), let end = line.lastIndex(of: "\""), start < end
    else {
      return Check(
        name: "swift", state: .warning, found: "\(folder) has no clang that says its version",
        hint: install)
    }
    let found = String(line[line.index(after: start)..<end])
    guard let needed, needed != found else {
      return Check(name: "swift", state: .ok, found: "\(folder): \(found)")
    }
    return Check(
      name: "swift", state: .warning,
      found: "\(folder) is \(found), and the executor loads Swift bundles of \(needed) only",
      hint: "build functions with the toolchain that the platform was built with")
  }
}

/// A program's output, taken whole.
struct Captured {
  let text: String
  let isGood: Bool

  /// - Returns: nil where it cannot be started or does not end in time.
  static func run(
    _ path: String, _ arguments: [String], environment: [String] = Subprocess.environment()
  ) -> Captured? {
    guard let pipe = try? Pipe() else { return nil }
    var command = ChildProcess.Command(path, arguments, environment: environment)
    command.output = pipe.rawWriter
    guard var child = try? ChildProcess(command) else { return nil }
    let output = pipe.reader()
    let deadline = MonotonicClock.now + Duration.seconds(10).wholeNanoseconds
    var bytes: [UInt8] = []
    while true {
      let now = MonotonicClock.now
      guard now < deadline, bytes.count < 4 << 20 else { return nil }
      var item = pollfd(fd: output.raw, events: Int16(POLLIN), revents: 0)
      guard poll(&item, 1, Int32(clamping: (deadline - now) / 1_000_000 + 1)) > 0 else { continue }
      var buffer = [UInt8](repeating: 0, count: 16 << 10)
      let outcome = buffer.withUnsafeMutableBytes { try? output.read(into: $0) }
      guard case .bytes(let count)? = outcome else { break }
      bytes += buffer[..<count]
    }
    let status = try? child.waitUntilEnded()
    return Captured(text: String(decoding: bytes, as: UTF8.self), isGood: status == .exited(0))
  }
}
