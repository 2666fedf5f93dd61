// swift-tools-version: 6.2
import PackageDescription

// By path the repository is named, so that the folder it was cloned into may have any name.
// From elsewhere: .package(url: "https://…/cloudburst", from: "0.1.0").
let package = Package(
  name: "client",
  dependencies: [.package(name: "cloudburst", path: "../..")],
  targets: [
    .executableTarget(
      name: "client",
      dependencies: [.product(name: "CloudburstClient", package: "cloudburst")])
  ]
)
