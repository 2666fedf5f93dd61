import ArgumentParser
import DevCluster
import NodeRuntime
import Platform

struct StorageCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "storage",
    abstract: "The store: one shard of keys, with its log.",
    discussion: """
      The first --listen is the endpoint for clients; the scheduler tells them. Others may be added \
      for the processes of this machine.

      Example:
        cloudburstd storage --cluster c1 --data /var/lib/cloudburst \\
          --listen tcp://127.0.0.1:7701 --listen ipc:///run/cloudburst/shard.ipc
      """)

  @OptionGroup var part: PartOptions
  @Option(
    parsing: .singleValue,
    help: ArgumentHelp(
      "Where to listen: tcp://ADDRESS:PORT (port *: any) or ipc:///PATH.", valueName: "endpoint"))
  var listen: [Endpoint]
  @Flag(help: "Keep data in memory only.") var memory = false
  @Option(help: "The folder that keeps the data.") var data: String?
  @OptionGroup var anna: AnnaOptions
  @Option(help: "The IPv4 address of this machine at which Anna's clients are served.")
  var annaAddress = "127.0.0.1"

  func validate() throws {
    guard !listen.isEmpty else { throw ValidationError("--listen is missing") }
    guard memory != (data != nil) else {
      throw ValidationError("one of --data FOLDER and --memory")
    }
  }

  func run() throws {
    try serving(needing: 128 + (anna.annaCompat ? AnnaOptions.descriptors : 0)) { signals in
      var configuration = StorageConfiguration(
        cluster: part.cluster, incarnation: part.drawIncarnation(),
        endpoints: listen.map(\.text),
        dataFolder: try data.map { try absoluteFolder($0, for: "data") })
      configuration.software = PartProcess.software
      let process = try PartProcess.storage(configuration, anna: door(of: configuration)) { _ in
        say(PartLine.bound.rawValue)
        say(PartLine.ready.rawValue)
      }
      try process.serve(untilToldBy: signals)
    }
  }

  private func door(
    of configuration: StorageConfiguration
  ) -> (_ storage: String) -> AnnaConfiguration? {
    { storage in
      anna.port.map { port in
        AnnaConfiguration(
          cluster: configuration.cluster, incarnation: configuration.incarnation,
          address: annaAddress, port: port, storage: storage)
      }
    }
  }
}
