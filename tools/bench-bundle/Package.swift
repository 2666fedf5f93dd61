// swift-tools-version: 6.2
import PackageDescription

// The functions that cbbench calls.
let package = Package(
  name: "bench",
  products: [
    .library(name: "bench", type: .dynamic, targets: ["bench"])
  ],
  dependencies: [
    .package(path: "../../PluginSDK")
  ],
  targets: [
    .target(
      name: "bench",
      dependencies: [.product(name: "CloudburstFunctions", package: "PluginSDK")])
  ]
)
