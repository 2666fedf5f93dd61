import ClusterModel
import Foundation
import Platform
import PluginHost

/// A folder in which C bundles are compiled; gone when the test is.
final class BundleWorkshop {
  private let folder: URL
  private let header: String

  init() throws {
    folder = FileManager.default.temporaryDirectory.appending(path: "bundles-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    header =
      URL(filePath: #filePath).deletingLastPathComponent()
      .appending(path: "../../PluginSDK/Sources/CCloudburst/include").standardized.path
  }

  deinit {
    try? FileManager.default.removeItem(at: folder)
  }

  func path(_ name: String) -> String { folder.appending(path: name).path }

  func bytes(of path: String) throws -> [UInt8] {
    Array(try Data(contentsOf: URL(filePath: path)))
  }

  func build(_ name: String, _ source: Source, flags: [String] = []) throws -> String {
    let output = path("lib\(name).so")
    try compile(source.text, to: output, ["-I", header] + flags)
    return output
  }

  /// As `build`, and it asks for a `libswiftCore.so`, as bundles in Swift do.
  func buildNeedingSwift(_ name: String, _ source: Source, flags: [String]) throws -> String {
    try compile("int nothing;", to: path("libswiftCore.so"), ["-Wl,-soname,libswiftCore.so"])
    let library = ["-Wl,--no-as-needed", path("libswiftCore.so")]
    return try build(name, source, flags: flags + library)
  }

  private func compile(_ source: String, to output: String, _ flags: [String]) throws {
    let file = path("source-\(UUID().uuidString).c")
    try source.write(toFile: file, atomically: true, encoding: .utf8)
    let compiler = Process()
    compiler.executableURL = URL(filePath: "/usr/bin/env")
    compiler.arguments = ["cc", "-shared", "-fPIC", "-o", output, file] + flags
    try compiler.run()
    compiler.waitUntilExit()
    guard compiler.terminationStatus == 0 else { throw CompilerFailed(arguments: flags) }
  }

  struct CompilerFailed: Error { var arguments: [String] }

  struct Source {
    var text: String

    /// A sound bundle; its macros are what tests break.
    static func body(echoed: String? = nil, marking mark: String? = nil) -> Source {
      let constructor = mark.map {
        "__attribute__((constructor)) static void mark(void) { fclose(fopen(\"\($0)\", \"w\")); }"
      }
      return Source(text: head + (constructor ?? "") + bodies(echoed) + tail)
    }

    private static let head = """
      #include "cloudburst.h"
      #include <pthread.h>
      #include <stdio.h>
      #ifndef VERSION
      #define VERSION CB_ABI_VERSION
      #endif
      #ifndef TOOLCHAIN
      #define TOOLCHAIN "C"
      #endif
      #ifndef DESCRIPTOR
      #define DESCRIPTOR &bundle
      #endif
      #ifndef COUNT
      #define COUNT 6
      #endif
      #ifndef FIRST
      #define FIRST "echo"
      #endif
      #ifndef TABLE_BYTES
      #define TABLE_BYTES sizeof(cb_function)
      #endif
      #ifndef ECHO
      #define ECHO echo
      #endif
      const cb_stamp cloudburst_stamp = {
        {'c', 'l', 'o', 'u', 'd', 'b', 'u', 'r', 's', 't', '-', 's', 't', 'a', 'm', 'p'},
        sizeof(cb_stamp), VERSION, TOOLCHAIN, ""};

      """

    private static func bodies(_ echoed: String?) -> String {
      """

      static cb_outcome echo(const cb_host *host, const cb_invocation *i) {
        static const uint8_t fixed[1] = {\(echoed ?? "0")};
        cb_value value = i->arguments[0];
        if (\(echoed == nil ? 0 : 1)) { value.bytes = fixed; value.count = 1; }
        return host->result(host, i->call, &value) == CB_OK ? CB_DONE : CB_FAILED;
      }
      static cb_outcome refuse(const cb_host *host, const cb_invocation *i) {
        cb_text code = CB_TEXT(CB_CODE_FUNCTION_FAILED), message = CB_TEXT("not today");
        host->fail(host, i->call, code, message);
        return CB_FAILED;
      }
      static cb_outcome store(const cb_host *host, const cb_invocation *i) {
        cb_text key = CB_TEXT("k"), code = CB_TEXT("LATTICE");
        cb_stored stored = {sizeof(cb_stored)};
        if (host->put(host, i->call, key, &i->arguments[0]) != CB_OK) {
          host->fail(host, i->call, code, host->last_error(host, i->call));
          return CB_FAILED;
        }
        if (host->get(host, i->call, key, 0, &stored) != CB_OK) return CB_FAILED;
        return host->result(host, i->call, &stored.value) == CB_OK ? CB_DONE : CB_FAILED;
      }
      struct visit { const cb_host *host; cb_call call; cb_status status; };
      static void *outside(void *context) {
        struct visit *visit = context;
        cb_text key = CB_TEXT("k");
        cb_value value = {0};
        visit->status = visit->host->put(visit->host, visit->call, key, &value);
        return NULL;
      }
      static cb_outcome stray(const cb_host *host, const cb_invocation *i) {
        struct visit visit = {host, i->call, 0};
        pthread_t thread;
        if (pthread_create(&thread, NULL, outside, &visit) != 0) return CB_FAILED;
        pthread_join(thread, NULL);
        uint8_t byte = (uint8_t)visit.status;
        cb_value value = {&byte, 1, CB_ENCODING_RAW, 0};
        return host->result(host, i->call, &value) == CB_OK ? CB_DONE : CB_FAILED;
      }
      static const cb_host *waiting_host;
      static cb_call waiting_call;
      static void finish(const cb_value *value) {
        waiting_host->result(waiting_host, waiting_call, value);
        waiting_host->complete(waiting_host, waiting_call);
      }
      static void turn(void *context) {
        cb_value value = {context, 1, CB_ENCODING_RAW, 0};
        finish(&value);
      }
      static cb_outcome later(const cb_host *host, const cb_invocation *i) {
        static uint8_t byte = 42;
        waiting_host = host; waiting_call = i->call;
        return host->post(host, turn, &byte) == CB_OK ? CB_PENDING : CB_FAILED;
      }
      static void resume(uint64_t token, cb_status status, const void *reply) {
        uint8_t bytes[2] = {(uint8_t)token, (uint8_t)status};
        cb_value value = {bytes, 2, CB_ENCODING_RAW, 0};
        finish(reply != NULL ? &((const cb_stored *)reply)->value : &value);
      }
      static cb_outcome fetch(const cb_host *host, const cb_invocation *i) {
        waiting_host = host; waiting_call = i->call;
        cb_status status =
          host->request(host, i->call, CB_OPERATION_GET, i->arguments[0], 77);
        return status == CB_OK ? CB_PENDING : CB_FAILED;
      }

      """
    }

    private static let tail = """
      static cb_outcome set_up(const cb_host *host, const cb_invocation *i) {
        cb_text key = CB_TEXT("ready"), code = CB_TEXT(CB_CODE_SET_UP_FAILED);
        cb_value value = {0};
        if (host->put(host, i->call, key, &value) == CB_OK) return CB_DONE;
        host->fail(host, i->call, code, host->last_error(host, i->call));
        return CB_FAILED;
      }
      #define FUNCTION(variable, name, body, flags) \\
        static const cb_function variable = {TABLE_BYTES, flags, CB_TEXT(name), \\
          CB_TEXT("([UInt8]) -> [UInt8]"), 1, 8, body, NULL, set_up, 5000000, 64, 2};
      FUNCTION(f0, FIRST, ECHO, 0)
      FUNCTION(f1, "refuse", refuse, 0)
      FUNCTION(f2, "store", store, 0)
      FUNCTION(f3, "stray", stray, 0)
      FUNCTION(f4, "later", later, CB_FUNCTION_ASYNC)
      FUNCTION(f5, "fetch", fetch, CB_FUNCTION_ASYNC)
      static const cb_function *const functions[] = {&f0, &f1, &f2, &f3, &f4, &f5};
      static const cb_bundle bundle = {sizeof(cb_bundle), CB_ABI_VERSION, CB_TEXT("test"),
        CB_TEXT(""), CB_TEXT(""), COUNT, functions, resume};
      const cb_bundle *cloudburst_bundle(void) { return DESCRIPTOR; }

      """
  }
}

/// Runs calls of loaded bundles and remembers what they asked for.
struct RecordingHost {
  let services = RecordingServices()
  let poster = KeepingPoster()
  let host: PluginHost

  init() {
    host = PluginHost(services: services, poster: poster)
  }

  func call(_ bundle: LoadedBundle, _ name: String, _ argument: [UInt8]) -> PluginHost.Outcome? {
    guard let function = bundle.function(named: name) else { return nil }
    return argument.withUnsafeBytes { bytes in
      let invocation = Invocation(
        call: 1, of: function, id: InvocationID(high: 1, low: 2), attempt: 1,
        arguments: [BorrowedValue(encoding: 0, bytes: bytes)])
      return withExtendedLifetime(invocation) { host.start(invocation) }
    }
  }
}

/// Keeps what was posted until the test runs it.
final class KeepingPoster: TurnPoster {
  private let turns = Locked<[PostedTurn]>([])

  func post(_ turn: PostedTurn) -> Bool {
    turns.withLock { $0.append(turn) }
    return true
  }
  func runAll() {
    for turn in turns.withLock({ $0 }) { turn.run() }
  }
}

final class RecordingServices: HostServices {
  var results: [[UInt8]] = []
  var encodings: [UInt8] = []
  var failures: [String] = []
  var stored: [String: [UInt8]] = [:]
  var refusal: HostRefusal?
  private var borrowed = UnsafeMutableRawBufferPointer.allocate(byteCount: 0, alignment: 1)

  deinit {
    borrowed.deallocate()
  }

  func result(_ call: CallHandle, _ value: BorrowedValue) throws(HostRefusal) {
    results.append(Array(value.bytes))
    encodings.append(value.encoding)
  }
  func fail(_ call: CallHandle, code: String, message: String) throws(HostRefusal) {
    failures.append("\(code): \(message)")
  }
  var completed: [CallHandle] = []
  func complete(_ call: CallHandle) throws(HostRefusal) {
    completed.append(call)
  }
  func startRead(_ call: CallHandle, key: BorrowedBytes, token: UInt64) throws(HostRefusal) {
    if let refusal { throw refusal }
    reads.append((String(decoding: key, as: UTF8.self), token))
  }
  var reads: [(key: String, token: UInt64)] = []
  func readBlocking(
    _ call: CallHandle, key: BorrowedBytes
  ) throws(HostRefusal) -> StoredView? {
    guard let bytes = stored[String(decoding: key, as: UTF8.self)] else { return nil }
    borrowed.deallocate()
    borrowed = .allocate(byteCount: bytes.count, alignment: 1)
    borrowed.copyBytes(from: bytes)
    return .value(BorrowedValue(encoding: 0, bytes: BorrowedBytes(borrowed)))
  }
  func readAtHand(_ call: CallHandle, key: BorrowedBytes) throws(HostRefusal) -> ReadOutcome {
    .wouldWait
  }
  func put(
    _ call: CallHandle, key: BorrowedBytes, _ value: BorrowedValue
  ) throws(HostRefusal) {
    if let refusal { throw refusal }
    stored[String(decoding: key, as: UTF8.self)] = Array(value.bytes)
  }
  func remove(_ call: CallHandle, key: BorrowedBytes) throws(HostRefusal) {}
  func add(_ call: CallHandle, key: BorrowedBytes, _ amount: Int64) throws(HostRefusal) {}
  func insert(
    _ call: CallHandle, key: BorrowedBytes, _ element: BorrowedValue
  ) throws(HostRefusal) {}
  func log(_ call: CallHandle, level: Int, message: String) throws(HostRefusal) {}
  func remainingTime(_ call: CallHandle) throws(HostRefusal) -> Duration? { nil }
}
