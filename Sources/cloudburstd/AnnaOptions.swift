import ArgumentParser
import NodeRuntime

/// The door for clients of Anna.
struct AnnaOptions: ParsableArguments {
  @Flag(help: "Also serve clients that speak Anna's own protocol (Python, C++, anna-cli).")
  var annaCompat = false
  @Option(
    help: """
      The first of the four ports at which Anna's clients ask for addresses; keys are served \
      \(AnnaConfiguration.keyPortDistance) below it. Her clients know no other than the default.
      """)
  var annaPort = AnnaConfiguration.annaPort

  /// What a door may open: three for each of its clients.
  static let descriptors = 800

  /// Nil: no door.
  var port: UInt16? { annaCompat ? annaPort : nil }

  func validate() throws {
    let last = UInt16.max - AnnaConfiguration.addressPorts
    guard annaPort > AnnaConfiguration.keyPortDistance, annaPort <= last else {
      throw ValidationError(
        "--anna-port is \(AnnaConfiguration.keyPortDistance + 1) to \(last)")
    }
  }
}
