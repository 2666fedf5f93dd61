// swift-tools-version: 6.2
import PackageDescription

let package = Package(
  name: "crashing",
  products: [.library(name: "crashing", type: .dynamic, targets: ["crashing"])],
  dependencies: [.package(path: "../../../PluginSDK")],
  targets: [
    .target(
      name: "crashing",
      dependencies: [.product(name: "CloudburstFunctions", package: "PluginSDK")])
  ]
)
