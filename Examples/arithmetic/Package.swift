// swift-tools-version: 6.2
import PackageDescription

let package = Package(
  name: "arithmetic",
  products: [
    .library(name: "arithmetic", type: .dynamic, targets: ["arithmetic"])
  ],
  dependencies: [
    .package(path: "../../PluginSDK")
  ],
  targets: [
    .target(
      name: "arithmetic",
      dependencies: [.product(name: "CloudburstFunctions", package: "PluginSDK")]),
    .testTarget(
      name: "arithmeticTests",
      dependencies: ["arithmetic", .product(name: "CloudburstTesting", package: "PluginSDK")]),
  ]
)
