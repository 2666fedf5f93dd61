import ArgumentParser
import CloudburstValues
import ClusterModel
import Platform

struct New: LocalCommand {
  static let configuration = CommandConfiguration(
    abstract: "Make a package with a bundle to start from.",
    discussion: """
      The package depends on the SDK beside this cbctl, or on what --sdk names: a folder, or
      URL@VERSION of this repository.

      Examples:
        cbctl new hello && cd hello && swift build -c release
        cbctl new visits --template counter
        cbctl new hello --sdk https://example.org/cloudburst.git@0.1.0
      """)

  @Argument(help: "The package's name, and its folder's.") var name: String
  @Option(help: "What the bundle does at first: hello or counter.")
  var template: Template = .hello
  @Option(help: "The SDK to depend on: a folder, or URL@VERSION.") var sdk: String?
  @OptionGroup var local: LocalOptions

  var format: OutputFormat { local.output }

  func runLocally() async throws -> Output {
    try checkName()
    guard !Files.exists(name) else {
      throw Failure(.conflict, "\(name) is there already", hint: "choose another name")
    }
    let dependency = try SDKDependency.named(sdk)
    let files = [
      "Package.swift": template.manifest(name, dependency),
      "Sources/\(name)/\(name).swift": template.source(name),
      ".gitignore": ".build/\nPackage.resolved\n",
    ]
    for (path, text) in files.sorted(by: { $0.key < $1.key }) {
      let parts = path.split(separator: "/").dropLast()
      try Files.createFolders(([Substring(name)] + parts).joined(separator: "/"), mode: 0o755)
      try Files.writeAtomically(Array(text.utf8), to: "\(name)/\(path)", mode: 0o644)
    }
    return Output(
      json: .map(["package": .string(name), "sdk": .string(dependency.declaration)]),
      text: "made \(name)/\n  cd \(name) && swift build -c release\n"
        + "  cbctl upload .build/release/lib\(name).so\n  \(template.trial(name))")
  }

  private func checkName() throws {
    let isWord = name.utf8.allSatisfy {
      (0x30...0x39).contains($0) || (0x41...0x5a).contains($0) || (0x61...0x7a).contains($0)
        || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_")
    }
    guard isWord, let first = name.first, first.isLetter, name.utf8.count <= 100 else {
      throw Failure(
        .nameInvalid, "\(name) is no name for a package: letters, digits, - and _, a letter first")
    }
  }
}

/// How the new package names the SDK.
struct SDKDependency {
  /// The line of the manifest, and the package's identity for its products.
  let declaration: String
  let identity: String

  private init(declaration: String, identity: String) {
    self.declaration = declaration
    self.identity = identity
  }

  /// - Parameter text: what `--sdk` said; nil is the SDK beside this program.
  static func named(_ text: String?) throws -> SDKDependency {
    guard let text else {
      return SDKDependency(
        declaration: ".package(path: \(quoted(try besideThisProgram())))", identity: "PluginSDK")
    }
    let isURL = text.contains("://") || text.hasPrefix("git@")
    return isURL ? try remote(text) : try local(text)
  }

  private static func remote(_ text: String) throws -> SDKDependency {
    guard let at = text.lastIndex(of: "@"), text[at...].count > 1,
      text[text.index(after: at)...].allSatisfy({ $0.isNumber || $0 == "." })
    else {
      throw Failure(
        .usage, "\(text) names no version",
        hint: "--sdk URL@VERSION, such as …/cloudburst.git@0.1.0")
    }
    let url = String(text[..<at])
    let version = String(text[text.index(after: at)...])
    let last = url.split(separator: "/").last.map(String.init) ?? url
    return SDKDependency(
      declaration: ".package(url: \(quoted(url)), from: \(quoted(version)))",
      identity: last.hasSuffix(".git") ? String(last.dropLast(4)) : last)
  }

  /// A folder is the SDK's own package, or the repository's.
  private static func local(_ folder: String) throws -> SDKDependency {
    guard let path = Files.realPath(folder), Files.exists(path + "/Package.swift") else {
      throw Failure(.fileNotFound, "\(folder) has no Package.swift")
    }
    guard Files.exists(path + "/PluginSDK/Package.swift") else {
      return SDKDependency(
        declaration: ".package(path: \(quoted(path)))",
        identity: path.split(separator: "/").last.map(String.init) ?? path)
    }
    return SDKDependency(
      declaration: ".package(name: \"cloudburst\", path: \(quoted(path)))",
      identity: "cloudburst")
  }

  private static func besideThisProgram() throws -> String {
    var folder = ProgramFolder.path
    while let slash = folder.lastIndex(of: "/") {
      if Files.exists(folder + "/PluginSDK/Package.swift") { return folder + "/PluginSDK" }
      folder = String(folder[..<slash])
    }
    throw Failure(
      .fileNotFound, "there is no PluginSDK beside \(ProgramFolder.path)/cbctl",
      hint: "name it: --sdk FOLDER or --sdk URL@VERSION")
  }

  private static func quoted(_ text: String) -> String { AnyValue.string(text).jsonText }
}

enum Template: String, ExpressibleByArgument, CaseIterable {
  case hello
  case counter

  func manifest(_ name: String, _ sdk: SDKDependency) -> String {
    """
    // swift-tools-version: 6.2
    import PackageDescription

    let package = Package(
      name: "\(name)",
      products: [
        .library(name: "\(name)", type: .dynamic, targets: ["\(name)"])
      ],
      dependencies: [
        \(sdk.declaration)
      ],
      targets: [
        .target(
          name: "\(name)",
          dependencies: [.product(name: "CloudburstFunctions", package: "\(sdk.identity)")])
      ]
    )

    """
  }

  func source(_ name: String) -> String {
    let functions =
      switch self {
      case .hello:
        #"  Function("\#(name)") { (name: String) in "Hello, \(name)!" }"#
      case .counter:
        #"""
          Function("\#(name)") { (context: Context, page: String) -> Int in
            let counter = context.counter("\#(name)/\(page)")
            try counter.add(1)  // a lattice: concurrent additions never conflict
            return try counter.value()
          }
        """#
      }
    return """
      import CloudburstFunctions

      let bundle = FunctionBundle("\(name)") {
      \(functions)
      }

      @c(cloudburst_bundle) public func entry() -> UnsafePointer<cb_bundle>? { bundle.descriptor }

      """
  }

  func trial(_ name: String) -> String {
    switch self {
    case .hello: "cbctl call \(name) '\"world\"'"
    case .counter: "cbctl call \(name) '\"home\"'"
    }
  }
}
