import ArgumentParser
import ClusterModel
import Platform

/// What every part of a cluster is told.
struct PartOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "The cluster's identity: the same 1 to 16 hexadecimal digits for all its parts.",
      valueName: "hex"))
  var cluster: ClusterID

  /// This process's life, for its hello.
  func drawIncarnation() -> Incarnation {
    var random = SystemRandomNumberGenerator()
    return Incarnation.drawn(atMilliseconds: WallClock.milliseconds, using: &random)
  }
}

extension ClusterID: ExpressibleByArgument {
  package init?(argument: String) {
    guard let number = UInt64(argument, radix: 16), number != 0 else { return nil }
    self.init(number)
  }
}

/// Where a process listens or dials.
struct Endpoint: ExpressibleByArgument {
  let text: String

  init?(argument: String) {
    let isKnown = argument.hasPrefix("tcp://") || argument.hasPrefix("ipc:///")
    guard isKnown, argument.utf8.count <= 6 + LocalSocket.pathBytesMax else { return nil }
    text = argument
  }
}
