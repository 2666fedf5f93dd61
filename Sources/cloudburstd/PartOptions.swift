import ArgumentParser
import ClusterModel
import NodeRuntime
import Platform
import WireProtocol

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

  /// Where a further shard of the same process listens: as many ports or paths further.
  func ofShard(_ number: Int) -> String {
    guard number > 0 else { return text }
    let separator: Character = text.hasPrefix("ipc") ? "." : ":"
    guard let end = text.lastIndex(of: separator) else { return "\(text)-\(number)" }
    let (start, last) = (text[..<end], text[end...].dropFirst())
    guard separator == ":" else { return "\(start)-\(number).\(last)" }
    return UInt16(last).map { "\(start):\(Int($0) + number)" } ?? text
  }
}

/// How a part finds the store: one of both.
struct StoreOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp("Where the store listens, which is one shard alone.", valueName: "endpoint"))
  var storage: Endpoint?
  @OptionGroup var membership: MemberOptions

  func validate() throws {
    guard (storage != nil) != (membership.router != nil) else {
      throw ValidationError("one of --storage ENDPOINT and --router ENDPOINT")
    }
  }

  var place: StorePlace {
    guard let storage else { return .router(endpoint: membership.router?.text ?? "") }
    return .shard(endpoint: storage.text)
  }
}

/// How a part is told of the membership.
struct MemberOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Where the router listens; without one the process is no member.", valueName: "endpoint"))
  var router: Endpoint?

  func member(
    _ role: PeerRole, named name: String, _ cluster: ClusterID, _ life: Incarnation
  ) -> MemberConfiguration? {
    router.map {
      MemberConfiguration(
        cluster: cluster, incarnation: life, role: role, name: name, router: $0.text)
    }
  }
}

/// A member's name: unique among those of its role.
struct PartName: ExpressibleByArgument, CustomStringConvertible {
  let text: String

  static let ofTheOnlyScheduler = PartName(trusted: "scheduler0")

  private init(trusted text: String) { self.text = text }

  var description: String { text }

  init?(argument: String) {
    let isName = argument.utf8.allSatisfy { byte in
      (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
        || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || byte == UInt8(ascii: "-")
    }
    guard isName, (1...63).contains(argument.utf8.count) else { return nil }
    text = argument
  }
}
