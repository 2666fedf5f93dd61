// swift-tools-version: 6.2
import PackageDescription

let package = Package(
  name: "hello",
  products: [
    .library(name: "hello", type: .dynamic, targets: ["hello"])
  ],
  dependencies: [
    .package(path: "../../PluginSDK")
  ],
  targets: [
    .target(
      name: "hello",
      dependencies: [.product(name: "CloudburstFunctions", package: "PluginSDK")])
  ]
)
