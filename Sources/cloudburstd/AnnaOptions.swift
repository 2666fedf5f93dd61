import ArgumentParser
import ClusterModel
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
  @Option(help: "The IPv4 address of this machine at which Anna's clients are served.")
  var annaAddress = "127.0.0.1"

  /// What a door may open: three for each of its clients.
  static let descriptors = 800

  /// Nil: no door.
  var port: UInt16? { annaCompat ? annaPort : nil }

  /// Nil: no door.
  func door(
    of cluster: ClusterID, _ life: Incarnation, to store: StorePlace
  ) -> AnnaConfiguration? {
    port.map { port in
      AnnaConfiguration(
        cluster: cluster, incarnation: life, address: annaAddress, port: port, storage: store)
    }
  }

  func validate() throws {
    let last = UInt16.max - AnnaConfiguration.addressPorts
    guard annaPort > AnnaConfiguration.keyPortDistance, annaPort <= last else {
      throw ValidationError(
        "--anna-port is \(AnnaConfiguration.keyPortDistance + 1) to \(last)")
    }
  }
}
