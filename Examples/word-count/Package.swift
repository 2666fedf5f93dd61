// swift-tools-version: 6.2
import PackageDescription

let package = Package(
  name: "word-count",
  products: [
    .library(name: "word-count", type: .dynamic, targets: ["WordCount"])
  ],
  dependencies: [
    .package(path: "../../PluginSDK")
  ],
  targets: [
    .target(
      name: "WordCount",
      dependencies: [.product(name: "CloudburstFunctions", package: "PluginSDK")]),
    .testTarget(
      name: "WordCountTests",
      dependencies: ["WordCount", .product(name: "CloudburstTesting", package: "PluginSDK")]),
  ]
)
