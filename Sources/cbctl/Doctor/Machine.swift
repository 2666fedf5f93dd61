import ClusterModel
import Glibc
import LocalCluster
import Platform

/// What the machine gives: memory, descriptors, kernel, clock, a folder, a port.
enum Machine {
  static func sharedMemory() -> Check {
    let chosen = getenv("CLOUDBURST_SHM").map { String(cString: $0) } ?? ""
    let folder = chosen.isEmpty ? "/dev/shm" : chosen
    var check = Check(name: "shared memory", state: .ok, found: "")
    guard access(folder, W_OK | X_OK) == 0, let room = Room(of: folder) else {
      check.state = .missing
      check.found = "\(folder) cannot be written to: \(String(cString: strerror(errno)))"
      check.hint = "mount -t tmpfs tmpfs /dev/shm, or let CLOUDBURST_SHM name a folder on a tmpfs"
      return check
    }
    check.found = "\(folder): \(room.free >> 20) MiB free of \(room.total >> 20) MiB"
    if room.free < 5 << 20 {
      check.state = .missing
      check.found += "; the smallest cache takes 5 MiB"
    } else if room.free < 256 << 20 {
      check.state = .warning
      check.found += "; a node's cache would be smaller than its 128 MiB and room for large values"
    } else if !isTmpfs(folder) {
      check.state = .warning
      check.found += "; it is no tmpfs: every cached value would be written to a disk"
    }
    if check.state != .ok {
      check.hint =
        "enlarge it (mount -o remount,size=1g /dev/shm; in a container --shm-size=1g), or let "
        + "CLOUDBURST_SHM name a folder on another tmpfs"
    }
    return check
  }

  private static func isTmpfs(_ folder: String) -> Bool {
    let mounts = (try? Files.contents(of: "/proc/self/mounts", bytesMax: 4 << 20)) ?? []
    let path = (Files.realPath(folder) ?? folder) + "/"
    // The longest mount point that the path lies under; of two at one place the later is on top.
    var best = (length: -1, type: "")
    for line in String(decoding: mounts, as: UTF8.self).split(separator: "\n") {
      let words = line.split(separator: " ")
      guard words.count > 2 else { continue }
      let point = words[1] == "/" ? "/" : words[1] + "/"
      if path.hasPrefix(point), point.count >= best.length {
        best = (point.count, String(words[2]))
      }
    }
    return ["tmpfs", "ramfs"].contains(best.type)
  }

  static func descriptors() -> Check {
    var limit = rlimit()
    getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    let soft = limit.rlim_cur
    var check = Check(name: "descriptors", state: .ok, found: "\(soft) a process (ulimit -n)")
    if soft < 1024 {
      check.state = soft < 128 ? .missing : .warning
      check.found += "; each client takes 1 or 2, each executor 5, the log up to 256"
      check.hint = "ulimit -n \(min(limit.rlim_max, 65_536))"
    }
    return check
  }

  static func kernel() -> Check {
    var facts = utsname()
    uname(&facts)
    let release = withUnsafeBytes(of: &facts.release) {
      String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
    }
    let hasProcessDescriptors = OtherProcess(id: getpid()) != nil
    let hasEvents = (try? EventFD()) != nil
    guard hasProcessDescriptors, hasEvents else {
      let lacking = hasProcessDescriptors ? "eventfd" : "pidfd_open"
      return Check(
        name: "kernel", state: .missing, found: "Linux \(release) refuses \(lacking)",
        hint: "use Linux 5.4 or later; in a sandbox, allow the system call")
    }
    return Check(name: "kernel", state: .ok, found: "Linux \(release) with pidfd and eventfd")
  }

  static func clock() -> Check {
    var facts = stat()
    let isBehind =
      stat("/proc/self/exe", &facts) == 0
      && WallClock.milliseconds / 1000 + 86_400 < UInt64(max(0, facts.st_mtim.tv_sec))
    guard !isBehind else {
      return Check(
        name: "clock", state: .missing, found: "it is behind the date of this program",
        hint: "set it: timedatectl set-ntp true")
    }
    guard WallClock.isSynchronised else {
      return Check(
        name: "clock", state: .warning,
        found: "not synchronised: no matter on one machine; between machines at most 500 ms are "
          + "accepted", hint: "timedatectl set-ntp true, or run chrony")
    }
    return Check(name: "clock", state: .ok, found: "synchronised")
  }

  static func runFolder(port: UInt16) -> Check {
    let folder = RunFolder(port: port)
    var check = Check(name: "run folder", state: .ok, found: folder.path)
    var facts = stat()
    if lstat(RunFolder.top, &facts) == 0 {
      let isOurs = facts.st_uid == getuid() && facts.st_mode & 0o077 == 0
      guard facts.st_mode & S_IFMT == S_IFDIR, isOurs else {
        check.state = .missing
        check.found = "\(RunFolder.top) belongs to somebody else, or others may write to it"
        check.hint = "remove it, or set TMPDIR to a folder of your own"
        return check
      }
    } else if !isWritable(folder.path) {
      check.state = .missing
      check.found = "\(folder.path) cannot be made"
      check.hint = "set TMPDIR to a folder of your own"
    }
    do {
      _ = try folder.endpoint("supervisor", Incarnation(UInt64.max >> 1))
    } catch {
      check.state = .missing
      check.found = "\(folder.path) is too long for the sockets in it (107 bytes)"
      check.hint = "set TMPDIR to a shorter path"
    }
    return check
  }

  static func data(_ path: String, port: UInt16) -> Check {
    var check = Check(name: "data folder", state: .ok, found: path)
    let existing = nearestExisting(path)
    guard isWritable(path), let room = Room(of: existing) else {
      check.state = .missing
      check.found = "\(path) cannot be written to"
      check.hint = "name another folder with --data, or keep data in memory: --memory"
      return check
    }
    check.found = "\(path): \(room.free >> 20) MiB free"
    if room.free < 1 << 30 {
      check.state = room.free < 64 << 20 ? .missing : .warning
      check.hint = "make room, or name a folder on another disk with --data"
    }
    if let owner = lockHolder(of: path) {
      let file = RunFile.read(from: RunFolder(port: port))
      let isOurs = file?.isAlive == true && file.map { "\($0.processID)" } == owner
      check.found += "; process \(owner) uses it"
      if !isOurs {
        check.state = .missing
        check.hint = "stop that cluster (cbctl dev list), or name another folder with --data"
      }
    }
    return check
  }

  /// - Returns: the process id in the lock file where another process holds the lock.
  private static func lockHolder(of path: String) -> String? {
    guard let lock = try? FileDescriptor(opening: "\(path)/LOCK", flags: O_RDONLY) else {
      return nil
    }
    guard flock(lock.raw, LOCK_SH | LOCK_NB) != 0 else { return nil }
    let bytes = (try? Files.contents(of: "\(path)/LOCK", bytesMax: 64)) ?? []
    return String(decoding: bytes.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
  }

  static func port(_ port: UInt16) -> Check {
    let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(socket) }
    var yes: Int32 = 1
    setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    let isBound = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
      }
    }
    guard !isBound else { return Check(name: "port", state: .ok, found: "\(port) is free") }
    let reason = errno
    if let file = RunFile.read(from: RunFolder(port: port)), file.isAlive {
      return Check(
        name: "port", state: .ok,
        found: "\(port): a cluster of yours listens (pid \(file.processID))")
    }
    return Check(
      name: "port", state: .missing, found: "\(port): \(String(cString: strerror(reason)))",
      hint: "choose another with --port; ss -ltnp shows who listens")
  }

  private struct Room {
    let free: UInt64
    let total: UInt64

    init?(of path: String) {
      var facts = statvfs()
      guard statvfs(path, &facts) == 0 else { return nil }
      free = UInt64(facts.f_bavail) * UInt64(facts.f_frsize)
      total = UInt64(facts.f_blocks) * UInt64(facts.f_frsize)
    }
  }

  private static func isWritable(_ path: String) -> Bool {
    access(nearestExisting(path), W_OK | X_OK) == 0
  }

  /// The path itself, or the folder in which it would be made.
  private static func nearestExisting(_ path: String) -> String {
    guard !Files.exists(path), !path.isEmpty else { return path.isEmpty ? "." : path }
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : nearestExisting(String(path[..<slash]))
  }
}
