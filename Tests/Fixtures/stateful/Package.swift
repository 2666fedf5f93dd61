// swift-tools-version: 6.2
import PackageDescription

let package = Package(
  name: "stateful",
  products: [.library(name: "stateful", type: .dynamic, targets: ["stateful"])],
  dependencies: [.package(path: "../../../PluginSDK")],
  targets: [
    .target(
      name: "stateful",
      dependencies: [.product(name: "CloudburstFunctions", package: "PluginSDK")])
  ]
)
