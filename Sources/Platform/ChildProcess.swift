import CPlatform
import Glibc

/// A process of ours: one owner, who reaps it. Letting go of one that runs kills it.
package struct ChildProcess: ~Copyable, Sendable {
  package let id: Int32
  private let processDescriptor: FileDescriptor
  private var status: ExitStatus?
  private var isLetRun = false
  private let leadsProcessGroup: Bool

  /// What to start. Nothing is inherited but what is named here: no environment, no descriptor
  /// beyond the three, no ignored signal; core dumps are off.
  package struct Command: Sendable {
    /// Absolute: no search is made.
    package var path: String
    /// Without the name of the program.
    package var arguments: [String]
    /// `NAME=value` lines.
    package var environment: [String]
    package var workingFolder: String?
    /// Descriptors of this process; `nil` is the null device.
    package var input: Int32?
    package var output: Int32?
    package var errors: Int32?
    /// Bytes of heap and private mappings; beyond them allocation fails in the child, unless it gives
    /// itself more.
    package var dataBytesMax: UInt64?
    /// Sent to the child when the *thread* that spawned it ends: spawn from a thread that lives as
    /// long as the children shall.
    package var signalOnParentDeath: Int32? = SIGKILL
    /// Keeps a Ctrl-C at the terminal from reaching the child directly.
    package var leadsProcessGroup = false

    package init(_ path: String, _ arguments: [String] = [], environment: [String] = []) {
      self.path = path
      self.arguments = arguments
      self.environment = environment
    }
  }

  /// How a process ended.
  package enum ExitStatus: Hashable, Sendable, CustomStringConvertible {
    case exited(Int32)
    case signalled(Int32)

    package var description: String {
      switch self {
      case .exited(let code): "exit(\(code))"
      case .signalled(let number): "signal \(number)"
      }
    }

    init(waitStatus: Int32) {
      let signal = waitStatus & 0x7f
      self = signal == 0 ? .exited((waitStatus >> 8) & 0xff) : .signalled(signal)
    }
  }

  /// Returns once the child runs its new image.
  package init(_ command: Command) throws(PlatformError) {
    let spawned = spawn(command)
    guard spawned.error == 0 else {
      let call = spawned.failed_call.map { String(cString: $0) } ?? "spawn"
      throw PlatformError(code: spawned.error, call: call, doing: "starting \(command.path)")
    }
    id = spawned.pid
    leadsProcessGroup = command.leadsProcessGroup
    processDescriptor = FileDescriptor(owning: spawned.pidfd)
  }

  deinit {
    guard status == nil, !isLetRun else { return }
    killGroup()
    var status: Int32 = 0
    while waitpid(id, &status, 0) < 0, errno == EINTR {}
  }

  /// Lets the child outlive its owner; whoever adopts it reaps it.
  package mutating func letRun() { isLetRun = true }

  /// To poll on: readable once the child has ended.
  package var descriptor: Int32 { processDescriptor.raw }

  /// Sends a signal; to a child that has ended, none is sent and none is missed.
  package borrowing func signal(_ number: Int32) {
    cb_signal_process(processDescriptor.raw, number)
  }

  /// Kills the child and, where it leads a process group, whatever it started and left in there. Before
  /// it is reaped: until then its number, which names the group, is nobody else's.
  package borrowing func killGroup() {
    cb_signal_process(processDescriptor.raw, SIGKILL)
    if leadsProcessGroup, status == nil { kill(-id, SIGKILL) }
  }

  /// - Returns: how the child ended, `nil` while it runs. The answer stays.
  package mutating func reap() throws(PlatformError) -> ExitStatus? {
    try wait(options: WNOHANG)
  }

  /// Blocks until the child has ended.
  package mutating func waitUntilEnded() throws(PlatformError) -> ExitStatus {
    guard let status = try wait(options: 0) else {
      preconditionFailure("waitpid without WNOHANG returns an ended child")
    }
    return status
  }

  private mutating func wait(options: Int32) throws(PlatformError) -> ExitStatus? {
    if let status { return status }
    var waitStatus: Int32 = 0
    let child = id
    let result = try retrying("waitpid", doing: "waiting for process \(child)") {
      Int(waitpid(child, &waitStatus, options))
    }
    if result == 0 { return nil }
    status = ExitStatus(waitStatus: waitStatus)
    return status
  }
}

/// A process that need not be our child.
package struct OtherProcess: ~Copyable {
  private let descriptor: FileDescriptor

  /// - Returns: `nil` where no such process runs.
  package init?(id: Int32) {
    let raw = cb_open_process(id)
    guard raw >= 0 else { return nil }
    descriptor = FileDescriptor(owning: raw)
  }

  package borrowing func signal(_ number: Int32) {
    cb_signal_process(descriptor.raw, number)
  }

  /// Sleeps until the process has ended.
  ///
  /// - Parameter deadline: of `MonotonicClock`.
  /// - Returns: `false` at the deadline.
  package borrowing func waitUntilEnded(deadline: UInt64) -> Bool {
    var item = pollfd(fd: descriptor.raw, events: Int16(POLLIN), revents: 0)
    while true {
      let now = MonotonicClock.now
      let left = deadline > now ? Int64(clamping: deadline - now) : 0
      let found = cb_poll(&item, 1, left)
      if found > 0 { return true }
      if found == 0 { return false }
      if errno != EINTR { return false }
    }
  }
}

private func spawn(_ command: ChildProcess.Command) -> cb_spawned {
  withCStrings([command.path] + command.arguments) { arguments in
    withCStrings(command.environment) { environment in
      command.path.withCString { path in
        withOptionalCString(command.workingFolder) { folder in
          var request = cb_spawn_request()
          request.path = path
          request.argv = arguments
          request.envp = environment
          request.working_folder = folder
          request.standard_fds = (command.input ?? -1, command.output ?? -1, command.errors ?? -1)
          request.data_bytes_max = command.dataBytesMax ?? 0
          request.parent_death_signal = command.signalOnParentDeath ?? 0
          request.own_process_group = command.leadsProcessGroup ? 1 : 0
          return cb_spawn(&request)
        }
      }
    }
  }
}

private typealias CStringArray = UnsafePointer<UnsafeMutablePointer<CChar>?>

private func withCStrings<Result>(_ strings: [String], _ body: (CStringArray?) -> Result) -> Result
{
  var pointers: [UnsafeMutablePointer<CChar>?] = strings.map { strdup($0) }
  pointers.append(nil)
  defer { for pointer in pointers { free(pointer) } }
  return pointers.withUnsafeBufferPointer { body($0.baseAddress) }
}

private func withOptionalCString<Result>(
  _ string: String?, _ body: (UnsafePointer<CChar>?) -> Result
) -> Result {
  guard let string else { return body(nil) }
  return string.withCString { body($0) }
}
