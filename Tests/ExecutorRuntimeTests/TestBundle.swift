import Foundation
import Testing

/// A bundle in C, compiled once with the system's compiler.
enum TestBundle {
  private static let folder = FileManager.default.temporaryDirectory
    .appending(path: "cloudburst-bundle-\(getpid())")

  static let path: String = {
    do {
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
      // Tests load it as long as the process lives.
      atexit { try? FileManager.default.removeItem(at: TestBundle.folder) }
      let source = folder.appending(path: "bundle.c")
      try code.write(to: source, atomically: true, encoding: .utf8)
      let library = folder.appending(path: "bundle.so")
      let compiler = Process()
      compiler.executableURL = URL(filePath: "/usr/bin/cc")
      compiler.arguments = [
        "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-I", header.path, source.path, "-o",
        library.path,
      ]
      try compiler.run()
      compiler.waitUntilExit()
      guard compiler.terminationStatus == 0 else { return "" }
      return library.path
    } catch {
      Issue.record("the test bundle was not built: \(error)")
      return ""
    }
  }()

  private static let header = URL(filePath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    .appending(path: "PluginSDK/Sources/CCloudburst/include")

  private static let code = #"""
    #include "cloudburst.h"
    #include <string.h>
    #include <stdio.h>
    #include <stdlib.h>

    CB_STAMP;

    static const cb_text none = {NULL, 0};

    static cb_outcome give(const cb_host *host, const cb_invocation *in, const void *bytes,
                           size_t count) {
      cb_value value = {bytes, count, CB_ENCODING_RAW, 0};
      host->result(host, in->call, &value);
      return CB_DONE;
    }

    static cb_outcome noop(const cb_host *host, const cb_invocation *in) {
      return give(host, in, NULL, 0);
    }

    static cb_outcome echo(const cb_host *host, const cb_invocation *in) {
      return give(host, in, in->arguments[0].bytes, in->arguments[0].count);
    }

    static cb_outcome picky(const cb_host *host, const cb_invocation *in) {
      cb_text code = CB_TEXT(CB_CODE_BAD_ARGUMENT), message = CB_TEXT("argument 1: expected Int");
      host->fail(host, in->call, code, message);
      return CB_FAILED;
    }

    static cb_outcome silent(const cb_host *host, const cb_invocation *in) { return CB_DONE; }

    static cb_text key_of(const cb_invocation *in) {
      cb_text key = {(const char *)in->arguments[0].bytes, in->arguments[0].count};
      return key;
    }

    /* Puts "mine" under the key and returns what it reads back. */
    static cb_outcome put_get(const cb_host *host, const cb_invocation *in) {
      cb_value mine = {(const uint8_t *)"mine", 4, CB_ENCODING_RAW, 0};
      if (host->put(host, in->call, key_of(in), &mine) != CB_OK) {
        host->fail(host, in->call, (cb_text)CB_TEXT("KEY_RESERVED"),
                   host->last_error(host, in->call));
        return CB_FAILED;
      }
      cb_stored stored = {.struct_size = sizeof stored};
      host->get(host, in->call, key_of(in), 0, &stored);
      return give(host, in, stored.value.bytes, stored.value.count);
    }

    /* Adds 2 to a counter and returns its value as text. */
    static cb_outcome count(const cb_host *host, const cb_invocation *in) {
      cb_update update = {.struct_size = sizeof update, .kind = CB_UPDATE_COUNTER_ADD, .integer = 2};
      host->update(host, in->call, key_of(in), &update);
      cb_stored stored = {.struct_size = sizeof stored};
      host->get(host, in->call, key_of(in), 0, &stored);
      char text[32];
      int length = snprintf(text, sizeof text, "%lld", (long long)stored.integer);
      return give(host, in, text, (size_t)length);
    }

    /* Adds "b" to a set and returns its elements, each behind its length. */
    static cb_outcome elements(const cb_host *host, const cb_invocation *in) {
      cb_update update = {.struct_size = sizeof update, .kind = CB_UPDATE_SET_ADD};
      update.value = (cb_value){(const uint8_t *)"b", 1, CB_ENCODING_RAW, 0};
      host->update(host, in->call, key_of(in), &update);
      cb_stored stored = {.struct_size = sizeof stored};
      host->get(host, in->call, key_of(in), 0, &stored);
      return give(host, in, stored.value.bytes, stored.value.count);
    }

    /* Returns the status of a read as text. */
    static cb_outcome status(const cb_host *host, const cb_invocation *in) {
      cb_stored stored = {.struct_size = sizeof stored};
      char text[32];
      cb_status answer = host->get(host, in->call, key_of(in), 0, &stored);
      int length = snprintf(text, sizeof text, "%d", answer);
      return give(host, in, text, (size_t)length);
    }

    static cb_outcome speak(const cb_host *host, const cb_invocation *in) {
      host->log(host, in->call, CB_LOG_WARNING, (cb_text)CB_TEXT("hello log"));
      return give(host, in, NULL, 0);
    }

    static const cb_host *waiting_host;
    static cb_call waiting_call;

    static void resumed(uint64_t token, cb_status status, const void *reply) {
      const cb_stored *stored = reply;
      cb_value value = {NULL, 0, CB_ENCODING_RAW, 0};
      if (token == 77 && status == CB_OK) value = stored->value;
      waiting_host->result(waiting_host, waiting_call, &value);
      waiting_host->complete(waiting_host, waiting_call);
    }

    static void turn(void *context) {
      cb_text key = {context, strlen(context)};
      cb_value input = {(const uint8_t *)key.bytes, key.count, CB_ENCODING_RAW, 0};
      waiting_host->request(waiting_host, waiting_call, CB_OPERATION_GET, input, 77);
      free(context);
    }

    /* Posts a turn, which reads the key; the answer ends the call. */
    static cb_outcome later(const cb_host *host, const cb_invocation *in) {
      waiting_host = host;
      waiting_call = in->call;
      char *key = strndup((const char *)in->arguments[0].bytes, in->arguments[0].count);
      host->post(host, turn, key);
      return CB_PENDING;
    }

    #define FUNCTION(f, parameters, f_flags)                                                   \
      static const cb_function f##_function = {                                                \
        .struct_size = sizeof(cb_function), .flags = f_flags, .name = CB_TEXT(#f),             \
        .signature = CB_TEXT("()"), .parameter_count = parameters, .concurrency = 1, .invoke = f}

    FUNCTION(noop, 0, 0);
    FUNCTION(echo, 1, 0);
    FUNCTION(picky, 1, 0);
    FUNCTION(silent, 0, 0);
    FUNCTION(put_get, 1, 0);
    FUNCTION(count, 1, 0);
    FUNCTION(elements, 1, 0);
    FUNCTION(status, 1, 0);
    FUNCTION(speak, 0, 0);
    FUNCTION(later, 1, CB_FUNCTION_ASYNC);

    static const cb_function *const functions[] = {
      &noop_function,     &echo_function,   &picky_function, &silent_function, &put_get_function,
      &count_function,    &elements_function, &status_function, &speak_function, &later_function};

    static const cb_bundle bundle = {
      .struct_size = sizeof(cb_bundle), .abi_version = CB_ABI_VERSION, .name = CB_TEXT("test"),
      .compiler = CB_TEXT("cc"), .function_count = sizeof functions / sizeof *functions,
      .functions = functions, .resume = resumed};

    CB_EXPORT const cb_bundle *cloudburst_bundle(void) {
      (void)none;
      return &bundle;
    }
    """#
}
