/// The version of everything in this repository.
package enum PlatformVersion {
  package static let text = "0.1.0"
}
