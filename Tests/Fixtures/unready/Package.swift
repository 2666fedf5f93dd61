// swift-tools-version: 6.2
import PackageDescription

let package = Package(
  name: "unready",
  products: [.library(name: "unready", type: .dynamic, targets: ["unready"])],
  dependencies: [.package(path: "../../../PluginSDK")],
  targets: [
    .target(
      name: "unready",
      dependencies: [.product(name: "CloudburstFunctions", package: "PluginSDK")])
  ]
)
