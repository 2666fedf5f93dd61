import CloudburstClient

/// Calls the functions of `Examples/arithmetic` in every way the SDK has, and checks the results.
///
///     cbctl dev --detach && cbctl upload ../arithmetic && swift run client [ENDPOINT]
@main struct Client {
  static func main() async throws {
    let endpoint = CommandLine.arguments.dropFirst().first ?? CloudburstClient.defaultEndpoint
    let cloud = try await CloudburstClient.connect(to: endpoint)
    var tour = Tour(cloud: cloud)
    do {
      try await tour.calls()
      try await tour.state()
      try await tour.composition()
      try await tour.futures()
      try await tour.watching()
      try await tour.refusals()
      try await tour.manyAtOnce()
    } catch let error as CloudburstError {
      tour.fail("\(error)")
    }
    await cloud.close()
    tour.finish()
  }
}
