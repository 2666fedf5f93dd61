// swift-tools-version: 6.2
import PackageDescription

let package = Package(
  name: "c-bundle",
  products: [
    .library(name: "c-bundle", type: .dynamic, targets: ["c-bundle"])
  ],
  dependencies: [
    .package(path: "../../PluginSDK")
  ],
  targets: [
    .target(
      name: "c-bundle",
      dependencies: [.product(name: "CCloudburst", package: "PluginSDK")])
  ]
)
