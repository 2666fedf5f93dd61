// swift-tools-version: 6.2
import PackageDescription

// Layers, top to bottom: programs → shells → cores → words. Imports point downward only; the
// compiler holds the arrows (`tools/check` builds with the explicit-import check). docs/architecture.md.

let strict: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .treatAllWarnings(as: .error),
]

extension Target {
  static func layer(_ name: String, _ dependencies: [Dependency] = [], path: String? = nil)
    -> Target
  {
    .target(name: name, dependencies: dependencies, path: path, swiftSettings: strict)
  }
  static func program(_ name: String, _ dependencies: [Dependency]) -> Target {
    .executableTarget(name: name, dependencies: dependencies, swiftSettings: strict)
  }
  static func tests(_ name: String, _ dependencies: [Dependency]) -> Target {
    .testTarget(name: name, dependencies: dependencies, swiftSettings: strict)
  }
}

let arguments = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let protobuf = Target.Dependency.product(name: "SwiftProtobuf", package: "swift-protobuf")

let words: [Target] = [
  .layer("Lattices"),
  .layer("ClusterModel"),
  .layer("WireProtocol", ["ClusterModel", "Lattices"]),
  .layer("ControlProtocol", ["ClusterModel", protobuf]),
]

let sdk: [Target] = [
  .target(name: "CCloudburst", path: "PluginSDK/Sources/CCloudburst"),
  .layer("CloudburstValues", path: "PluginSDK/Sources/CloudburstValues"),
  .layer(
    "CloudburstFunctions", ["CCloudburst", "CloudburstValues"],
    path: "PluginSDK/Sources/CloudburstFunctions"),
  .layer(
    "CloudburstTesting", ["CCloudburst", "CloudburstValues", "CloudburstFunctions"],
    path: "PluginSDK/Sources/CloudburstTesting"),
]

let cores: [Target] = [
  .layer("KeyValueStore", ["ClusterModel", "Lattices", "WireProtocol"]),
  .layer("AnnaDoor", ["ClusterModel", "WireProtocol"]),
  .layer("StoreAccess", ["ClusterModel", "WireProtocol"]),
  .layer("Caching", ["ClusterModel", "Lattices", "StoreAccess", "WireProtocol"]),
  .layer("RecordReading", ["ClusterModel", "CloudburstValues", "Lattices"]),
  .layer(
    "Execution",
    ["ClusterModel", "CloudburstValues", "Lattices", "RecordReading", "WireProtocol"]),
  .layer("Scheduling", ["ClusterModel", "Lattices", "WireProtocol"]),
  .layer("Supervision", ["ClusterModel", "WireProtocol"]),
  .layer("Membership", ["ClusterModel", "WireProtocol"]),
]

let shells: [Target] = [
  .systemLibrary(name: "CZeroMQ", providers: [.apt(["libzmq3-dev"])]),
  .systemLibrary(name: "CLMDB", providers: [.apt(["liblmdb-dev"])]),
  .systemLibrary(name: "CRocksDB", providers: [.apt(["librocksdb-dev"])]),
  .systemLibrary(name: "CSodium", providers: [.apt(["libsodium-dev"])]),
  .target(name: "CPlatform"),
  .target(name: "CFloor", dependencies: ["CZeroMQ"]),
  .layer("Platform", ["CPlatform"]),
  .layer("ContentHash", ["CSodium", "ClusterModel"]),
  .layer("Connections", ["ZeroMQ", "Platform", "WireProtocol", "ClusterModel"]),
  .layer("ZeroMQ", ["CZeroMQ", "CPlatform", "Platform", "ClusterModel"]),
  .layer("SharedCache", ["CLMDB", "CPlatform", "Platform", "ClusterModel", "WireProtocol"]),
  .layer("ExecutorSlots", ["Platform", "ClusterModel"]),
  .layer("DurableLog", ["CRocksDB", "Platform", "ClusterModel", "WireProtocol"]),
  .layer("PluginHost", ["CCloudburst", "Platform", "ClusterModel"]),
  .layer(
    "ExecutorRuntime",
    [
      "Connections",
      "Execution", "ExecutorSlots", "PluginHost", "SharedCache", "ZeroMQ", "Platform", "CPlatform",
      "ClusterModel", "Lattices", "WireProtocol",
    ]),
  .layer(
    "NodeRuntime",
    [
      "AnnaDoor", "Connections",
      "KeyValueStore", "StoreAccess", "Caching", "Scheduling", "Supervision", "Membership",
      "ControlProtocol",
      "CloudburstValues",
      "ExecutorSlots", "SharedCache", "DurableLog", "ContentHash",
      "ZeroMQ", "Platform", "CPlatform", "ClusterModel", "Lattices", "WireProtocol", logging,
      protobuf,
    ]),
  .layer(
    "CloudburstClient",
    [
      "Connections", "StoreAccess",
      "ClusterModel", "Lattices", "WireProtocol", "ControlProtocol", "CloudburstValues",
      "RecordReading", "ContentHash", "ZeroMQ", "Platform", protobuf,
    ]),
  .layer("LocalCluster", ["CloudburstValues", "ClusterModel", "Platform"]),
  .layer(
    "DevCluster",
    [
      "LocalCluster", "NodeRuntime", "Membership", "Supervision", "ZeroMQ", "CloudburstValues",
      "ClusterModel", "Platform", "SharedCache", logging,
    ]),
  .layer(
    "Simulation",
    [
      "KeyValueStore", "Caching", "Execution", "Membership", "Scheduling", "StoreAccess",
      "Supervision", "ClusterModel", "Lattices", "WireProtocol",
    ]),
]

let programs: [Target] = [
  .program(
    "cloudburstd",
    [
      "DevCluster", "LocalCluster", "NodeRuntime", "Membership", "ClusterModel", "Platform",
      arguments,
    ]),
  .program("cloudburst-executor", ["ExecutorRuntime"]),
  .program(
    "cbctl",
    [
      "CloudburstClient", "CloudburstValues", "LocalCluster", "ClusterModel", "ContentHash",
      "Lattices", "Platform", "WireProtocol", arguments,
    ]),
  .program(
    "cbbench",
    [
      "CloudburstClient", "CloudburstValues", "LocalCluster", "CFloor", "ClusterModel", "Platform",
      "WireProtocol", arguments,
    ]),
  .program("cbsim", ["Simulation", "ClusterModel", arguments]),
]

let tests: [Target] = [
  .layer("LatticeSamples", ["Lattices"], path: "Tests/LatticeSamples"),
  .tests("LatticesTests", ["Lattices", "LatticeSamples"]),
  .tests("ClusterModelTests", ["ClusterModel", "ContentHash"]),
  .tests(
    "WireProtocolTests",
    [
      "WireProtocol", "ControlProtocol", "ClusterModel", "Lattices", "LatticeSamples", protobuf,
    ]),
  .tests(
    "PluginSDKTests",
    ["CloudburstFunctions", "CloudburstTesting", "CloudburstValues", "CCloudburst"]),
  .tests(
    "KeyValueStoreTests",
    ["KeyValueStore", "ClusterModel", "Lattices", "LatticeSamples", "WireProtocol"]),
  .tests("AnnaDoorTests", ["AnnaDoor", "ClusterModel", "WireProtocol"]),
  .tests("StoreAccessTests", ["StoreAccess", "ClusterModel", "WireProtocol"]),
  .tests("CachingTests", ["Caching", "ClusterModel", "Lattices", "StoreAccess", "WireProtocol"]),
  .tests(
    "ExecutionTests",
    ["Execution", "CloudburstValues", "ClusterModel", "Lattices", "WireProtocol"]),
  .tests("SupervisionTests", ["Supervision", "ClusterModel", "WireProtocol"]),
  .tests("MembershipTests", ["Membership", "ClusterModel", "WireProtocol"]),
  .tests("SchedulingTests", ["Scheduling", "ClusterModel", "Lattices", "WireProtocol"]),
  .tests(
    "ShellTests",
    [
      "Connections", "ZeroMQ", "CZeroMQ", "Platform", "CPlatform", "SharedCache", "DurableLog",
      "PluginHost", "ExecutorSlots", "NodeRuntime", "KeyValueStore", "Scheduling",
      "ControlProtocol",
      "ContentHash", "ClusterModel", "Lattices", "WireProtocol", logging, protobuf,
    ]),
  .tests(
    "ClientTests",
    [
      "CloudburstClient", "CloudburstValues", "ControlProtocol", "ClusterModel", "Lattices",
      "Platform", "WireProtocol", "ZeroMQ", protobuf,
    ]),
  .tests(
    "ExecutorRuntimeTests",
    [
      "ExecutorRuntime", "ExecutorSlots", "cloudburst-executor", "Connections", "PluginHost",
      "SharedCache",
      "ZeroMQ",
      "Platform", "ClusterModel", "Lattices", "WireProtocol",
    ]),
  .tests("SimulationTests", ["Simulation", "ClusterModel"]),
  .tests("HouseRulesTests", ["ClusterModel"]),
  .tests(
    "EndToEndTests",
    ["CloudburstClient", "CloudburstValues", "ClusterModel", "Platform", "WireProtocol"]),
]

let package = Package(
  name: "cloudburst",
  products: [
    .library(name: "CloudburstClient", targets: ["CloudburstClient"]),
    .library(name: "CloudburstFunctions", targets: ["CloudburstFunctions"]),
    .library(name: "CloudburstTesting", targets: ["CloudburstTesting"]),
    .executable(name: "cloudburstd", targets: ["cloudburstd"]),
    .executable(name: "cloudburst-executor", targets: ["cloudburst-executor"]),
    .executable(name: "cbctl", targets: ["cbctl"]),
    .executable(name: "cbbench", targets: ["cbbench"]),
    .executable(name: "cbsim", targets: ["cbsim"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0"),
  ],
  targets: words + sdk + cores + shells + programs + tests
)
