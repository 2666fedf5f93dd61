// swift-tools-version: 6.2
import PackageDescription

// What a bundle author depends on: no dependencies, no Foundation. The same sources are targets of
// the root package, so that one repository serves both; see docs/plugin-abi.md.

let strict: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .treatAllWarnings(as: .error),
]

let package = Package(
  name: "PluginSDK",
  products: [
    .library(name: "CloudburstFunctions", targets: ["CloudburstFunctions"]),
    .library(name: "CloudburstTesting", targets: ["CloudburstTesting"]),
    .library(name: "CCloudburst", targets: ["CCloudburst"]),
  ],
  targets: [
    .target(name: "CCloudburst"),
    .target(name: "CloudburstValues", swiftSettings: strict),
    .target(
      name: "CloudburstFunctions", dependencies: ["CCloudburst", "CloudburstValues"],
      swiftSettings: strict),
    .target(
      name: "CloudburstTesting",
      dependencies: ["CCloudburst", "CloudburstValues", "CloudburstFunctions"],
      swiftSettings: strict),
  ]
)
