// swift-tools-version: 6.2
import PackageDescription

let package = Package(
  name: "visits",
  products: [
    .library(name: "visits", type: .dynamic, targets: ["visits"])
  ],
  dependencies: [
    .package(path: "../../PluginSDK")
  ],
  targets: [
    .target(
      name: "visits",
      dependencies: [.product(name: "CloudburstFunctions", package: "PluginSDK")]),
    .testTarget(
      name: "visitsTests",
      dependencies: ["visits", .product(name: "CloudburstTesting", package: "PluginSDK")]),
  ]
)
