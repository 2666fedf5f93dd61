import CPlatform
import Glibc
import Platform
import Testing

/// A folder of one test's own in shared memory; removed with what is in it.
struct ScratchFolder: ~Copyable {
  let path: String

  init() throws {
    path = "/dev/shm/cloudburst-tests-\(getpid())-\(RandomBytes.word())"
    try Files.createFolders(path)
  }

  deinit {
    for name in (try? Files.names(in: path)) ?? [] { unlink("\(path)/\(name)") }
    rmdir(path)
  }
}

/// Whether the descriptor becomes readable in time.
func isReadable(_ descriptor: Int32, withinMilliseconds milliseconds: Int64 = 0) -> Bool {
  var item = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
  return cb_poll(&item, 1, milliseconds * 1_000_000) == 1
}

@Suite struct ChildProcessTests {
  /// What the command wrote until its end, and how it ended.
  private func run(
    _ path: String, _ arguments: [String], adjust: (inout ChildProcess.Command) -> Void = { _ in }
  ) throws -> (output: String, status: ChildProcess.ExitStatus) {
    let pipe = try Pipe()
    var command = ChildProcess.Command(path, arguments, environment: ["PATH=/usr/bin:/bin"])
    command.output = pipe.rawWriter
    adjust(&command)
    var child = try ChildProcess(command)
    let reader = pipe.reader()
    let output = try readToEnd(reader)
    return (output, try child.waitUntilEnded())
  }

  private func readToEnd(_ reader: borrowing FileDescriptor) throws -> String {
    var bytes: [UInt8] = []
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 4096, alignment: 1)
    defer { buffer.deallocate() }
    while case .bytes(let count) = try reader.read(into: buffer) {
      bytes.append(contentsOf: buffer[..<count])
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  @Test func reportsTheExitCode() throws {
    #expect(try run("/bin/sh", ["-c", "exit 7"]).status == .exited(7))
  }

  @Test func reportsTheSignalThatKilled() throws {
    #expect(try run("/bin/sh", ["-c", "kill -SEGV $$"]).status == .signalled(SIGSEGV))
  }

  @Test func reapsWithoutWaitingForOneThatRuns() throws {
    var child = try ChildProcess(.init("/bin/sleep", ["1000"]))
    #expect(try child.reap() == nil)
    child.signal(SIGTERM)
    #expect(isReadable(child.descriptor, withinMilliseconds: 10_000))
    #expect(try child.reap() == .signalled(SIGTERM))
    #expect(try child.reap() == .signalled(SIGTERM))
  }

  @Test func namesTheCallWhereNoProgramIs() {
    #expect(
      throws: PlatformError(code: ENOENT, call: "execve", doing: "starting /no/such/program")
    ) {
      _ = try ChildProcess(.init("/no/such/program"))
    }
  }

  @Test func givesAChildTheThreeStandardDescriptorsOnly() throws {
    let leaky = open("/dev/null", O_RDONLY)  // Not close-on-exec, as a library might open it.
    defer { close(leaky) }
    let result = try run("/bin/sh", ["-c", "cd /proc/$$/fd && echo *"])
    // The shell's own look into the folder is number 3; a leak would push it further up.
    #expect(result.output == "0 1 2 3\n")
  }

  @Test func passesTheNamedEnvironmentOnly() throws {
    #expect(try run("/usr/bin/env", []).output == "PATH=/usr/bin:/bin\n")
  }

  @Test func startsChildrenWithDefaultSignals() throws {
    Signals.ignoreBrokenPipes()
    let output = try run("/bin/grep", ["-E", "Sig(Blk|Ign)", "/proc/self/status"]).output
    #expect(output == "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n")
  }

  @Test func turnsCoreDumpsOff() throws {
    #expect(try run("/bin/sh", ["-c", "ulimit -c"]).output == "0\n")
  }

  @Test func limitsTheDataOfTheChild() throws {
    let result = try run("/bin/sh", ["-c", "ulimit -d"]) { $0.dataBytesMax = 64 << 20 }
    #expect(result.output == "65536\n")
  }

  @Test func anyOrderOfDescriptorsReachesItsPlace() throws {
    let result = try run("/bin/sh", ["-c", "echo out; echo err >&2"]) { $0.errors = $0.output }
    #expect(result.output == "out\nerr\n")
  }

  @Test func startsInTheNamedFolder() throws {
    #expect(try run("/bin/pwd", []) { $0.workingFolder = "/proc" }.output == "/proc\n")
  }

  @Test func diesWithTheThreadThatSpawnedIt() throws {
    let spawned = Locked<ChildProcess?>(nil)
    let thread = try LoopThread(name: "spawner") {
      spawned.withLock { $0 = try? ChildProcess(.init("/bin/sleep", ["1000"])) }
    }
    thread.join()
    let child = spawned.withLock { $0.take() }
    guard var child else {
      Issue.record("the child was not started")
      return
    }
    #expect(isReadable(child.descriptor, withinMilliseconds: 10_000))
    #expect(try child.reap() == .signalled(SIGKILL))
  }

  @Test func lettingGoKillsAndReaps() throws {
    func spawnAndLetGo() throws -> Int32 { try ChildProcess(.init("/bin/sleep", ["1000"])).id }
    let id = try spawnAndLetGo()
    #expect(waitpid(id, nil, WNOHANG) == -1)
    #expect(errno == ECHILD)
  }
}

@Suite struct MailboxTests {
  @Test func keepsTheOrderOfEachSenderAndLosesNothing() throws {
    let countPerSender = 20_000
    let mailbox = try Mailbox<(sender: Int, number: Int)>(countMax: 64)
    let senders = try (0..<2).map { sender in
      try LoopThread(name: "sender-\(sender)") {
        for number in 0..<countPerSender {
          while !mailbox.tryPost((sender, number)) { sched_yield() }
        }
      }
    }
    var next = [0, 0]
    var batch: [(sender: Int, number: Int)] = []
    while next != [countPerSender, countPerSender] {
      try #require(isReadable(mailbox.descriptor, withinMilliseconds: 10_000))
      batch.removeAll(keepingCapacity: true)
      #expect(mailbox.drain(into: &batch))
      #expect(batch.count <= 64)
      for message in batch {
        try #require(message.number == next[message.sender])
        next[message.sender] += 1
      }
    }
    for sender in senders { sender.join() }
    #expect(!isReadable(mailbox.descriptor))
  }

  @Test func refusesAtItsLimit() throws {
    let mailbox = try Mailbox<Int>(countMax: 2)
    #expect(mailbox.tryPost(1))
    #expect(mailbox.tryPost(2))
    #expect(!mailbox.tryPost(3))
    var messages: [Int] = []
    mailbox.drain(into: &messages)
    #expect(messages == [1, 2])
    #expect(mailbox.tryPost(4))
  }

  @Test func isReadableExactlyWhileMessagesWait() throws {
    let mailbox = try Mailbox<Int>(countMax: 8)
    #expect(!isReadable(mailbox.descriptor))
    #expect(mailbox.tryPost(1))
    #expect(isReadable(mailbox.descriptor))
    var messages: [Int] = []
    #expect(mailbox.drain(into: &messages))
    #expect(!isReadable(mailbox.descriptor))
    #expect(!mailbox.drain(into: &messages))
  }
}

@Suite struct FileTests {
  @Test func replacesAFileAsAWhole() throws {
    let folder = try ScratchFolder()
    let path = "\(folder.path)/state"
    try Files.writeAtomically([1, 2, 3], to: path)
    try Files.writeAtomically([4, 5], to: path)
    #expect(try Files.contents(of: path) == [4, 5])
    #expect(try Files.names(in: folder.path) == ["state"])
  }

  @Test func readsAcrossItsBufferSizes() throws {
    let folder = try ScratchFolder()
    let bytes = (0..<100_001).map { UInt8(truncatingIfNeeded: $0) }
    try Files.writeAtomically(bytes, to: "\(folder.path)/long")
    #expect(try Files.contents(of: "\(folder.path)/long") == bytes)
  }

  @Test func refusesAFileAboveTheLimit() throws {
    let folder = try ScratchFolder()
    try Files.writeAtomically([1, 2, 3], to: "\(folder.path)/f")
    #expect(throws: PlatformError(code: EFBIG, call: "read", doing: "reading \(folder.path)/f")) {
      _ = try Files.contents(of: "\(folder.path)/f", bytesMax: 2)
    }
  }

  @Test func leavesNothingBehindWhereItCannotReplace() throws {
    let folder = try ScratchFolder()
    let target = "\(folder.path)/folder"
    try Files.createFolders(target)
    #expect(throws: PlatformError.self) { try Files.writeAtomically([1], to: target) }
    #expect(try Files.names(in: folder.path) == ["folder"])
    rmdir(target)
  }

  @Test func createsFoldersForTheOwnerOnly() throws {
    let folder = try ScratchFolder()
    try Files.createFolders("\(folder.path)/a/b")
    try Files.createFolders("\(folder.path)/a/b")
    var facts = stat()
    #expect(stat("\(folder.path)/a/b", &facts) == 0)
    #expect(facts.st_mode & 0o777 == 0o700)
    rmdir("\(folder.path)/a/b")
    rmdir("\(folder.path)/a")
  }

  @Test func aFileWhereAFolderShouldBeIsAnError() throws {
    let folder = try ScratchFolder()
    try Files.writeAtomically([1], to: "\(folder.path)/f")
    #expect(throws: PlatformError.self) { try Files.createFolders("\(folder.path)/f/g") }
  }
}

@Suite struct MappedFileTests {
  @Test func readersSeeWhatTheCreatorWrites() throws {
    let folder = try ScratchFolder()
    let writer = try MappedFile(creating: "\(folder.path)/shared", byteCount: 10_000)
    let reader = try MappedFile(opening: "\(folder.path)/shared")
    writer.mutableBytes[9_999] = 42
    #expect(reader.bytes.count == 10_000)
    #expect(reader.bytes[9_999] == 42)
    try writer.unlinkFile()
    #expect(try Files.names(in: folder.path) == [])
    #expect(reader.bytes[9_999] == 42)
  }

  @Test func aFullFileSystemIsAnErrorAndLeavesNoFile() throws {
    let folder = try ScratchFolder()
    var facts = statvfs()
    try #require(statvfs(folder.path, &facts) == 0)
    let tooMany = Int(facts.f_blocks) * Int(facts.f_frsize) + 4096
    let path = "\(folder.path)/huge"
    let expected = PlatformError(
      code: ENOSPC, call: "posix_fallocate", doing: "reserving \(tooMany) bytes for \(path)")
    #expect(throws: expected) { _ = try MappedFile(creating: path, byteCount: tooMany) }
    #expect(try Files.names(in: folder.path) == [])
  }

  @Test func refusesToReplaceAFile() throws {
    let folder = try ScratchFolder()
    try Files.writeAtomically([1], to: "\(folder.path)/f")
    let path = "\(folder.path)/f"
    #expect(throws: PlatformError(code: EEXIST, call: "open", doing: "opening \(path)")) {
      _ = try MappedFile(creating: path, byteCount: 1)
    }
  }
}

@Suite struct ThreadTests {
  @Test func carriesItsNameAndEnds() throws {
    let name = Locked("")
    let thread = try LoopThread(name: "a-name-longer-than-15-bytes") {
      let path = "/proc/self/task/\(currentThreadID())/comm"
      let bytes = (try? Files.contents(of: path)) ?? []
      name.withLock { $0 = String(decoding: bytes, as: UTF8.self) }
    }
    thread.join()
    thread.join()
    #expect(name.withLock { $0 } == "a-name-longer-t\n")
  }

  @Test func pinsTheThreadToOneProcessor() throws {
    let seen = Locked<[Int]>([])
    let last = try #require(Processors.allowed().last)
    try LoopThread(name: "pinned") {
      try? Processors.pin(to: last)
      let allowed = (try? Processors.allowed()) ?? []
      seen.withLock { $0 = allowed }
    }.join()
    #expect(seen.withLock { $0 } == [last])
  }

  @Test func changesBehindALockAreAllKept() throws {
    let count = Locked(0)
    let threads = try (0..<2).map { number in
      try LoopThread(name: "counter-\(number)") {
        for _ in 0..<10_000 { count.withLock { $0 += 1 } }
      }
    }
    for thread in threads { thread.join() }
    #expect(count.withLock { $0 } == 20_000)
  }

  @Test func signalsArriveAsValues() throws {
    let seen = Locked<[Int32?]>([])
    try LoopThread(name: "signals") {
      guard let signals = try? Signals([SIGUSR1]) else { return }
      let before = try? signals.next()
      raise(SIGUSR1)
      let after = try? signals.next()
      seen.withLock { $0 = [before, after] }
    }.join()
    #expect(seen.withLock { $0 } == [nil, SIGUSR1])
  }

  @Test func theMonotonicClockNeverGoesBack() {
    var last = MonotonicClock.now
    for _ in 0..<10_000 {
      let now = MonotonicClock.now
      #expect(now >= last)
      last = now
    }
  }

  @Test func randomBytesDiffer() {
    #expect(RandomBytes.bytes(16) != RandomBytes.bytes(16))
  }
}
