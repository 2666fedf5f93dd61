/*
 * A bundle in plain C: `reverse` turns raw bytes around, `add` adds two native integers.
 * Nothing but cloudburst.h is needed; see docs/plugin-abi.md and docs/native-format.md.
 */
#include "c_bundle.h"

#include <stdlib.h>
#include <string.h>

CB_STAMP;

static cb_outcome refuse(const cb_host *host, cb_call call, const char *code, const char *message) {
  cb_text code_text = {code, strlen(code)};
  cb_text message_text = {message, strlen(message)};
  host->fail(host, call, code_text, message_text);
  return CB_FAILED;
}

static cb_outcome answer(const cb_host *host, cb_call call, const cb_value *value) {
  if (host->result(host, call, value) != CB_OK)
    return refuse(host, call, CB_CODE_FUNCTION_FAILED, "the host refused the result");
  return CB_DONE;
}

static cb_outcome reverse(const cb_host *host, const cb_invocation *invocation) {
  if (invocation->argument_count != 1 || invocation->arguments[0].encoding != CB_ENCODING_RAW)
    return refuse(host, invocation->call, CB_CODE_BAD_ARGUMENT, "reverse: expected raw bytes");
  const cb_value *argument = &invocation->arguments[0];
  uint8_t *bytes = malloc(argument->count > 0 ? argument->count : 1);
  if (bytes == NULL)
    return refuse(host, invocation->call, CB_CODE_FUNCTION_FAILED, "reverse: out of memory");
  for (size_t index = 0; index < argument->count; index++)
    bytes[index] = argument->bytes[argument->count - 1 - index];
  cb_value result = {bytes, argument->count, CB_ENCODING_RAW, 0};
  cb_outcome outcome = answer(host, invocation->call, &result);
  free(bytes);
  return outcome;
}

/* A native int64 is the tag 3 and eight little-endian bytes. */
enum { INT64_TAG = 3, INT64_SIZE = 9 };

static int read_int64(const cb_value *value, uint64_t *number) {
  if (value->encoding != CB_ENCODING_NATIVE || value->count != INT64_SIZE ||
      value->bytes[0] != INT64_TAG)
    return 0;
  *number = 0;
  for (int index = 8; index >= 1; index--) *number = *number << 8 | value->bytes[index];
  return 1;
}

static cb_outcome add(const cb_host *host, const cb_invocation *invocation) {
  uint64_t left, right;
  if (invocation->argument_count != 2 || !read_int64(&invocation->arguments[0], &left) ||
      !read_int64(&invocation->arguments[1], &right))
    return refuse(host, invocation->call, CB_CODE_BAD_ARGUMENT, "add: expected two native integers");
  uint64_t sum = left + right; /* wraps, as two's complement does */
  uint8_t bytes[INT64_SIZE] = {INT64_TAG};
  for (int index = 0; index < 8; index++) bytes[1 + index] = (uint8_t)(sum >> (8 * index));
  cb_value result = {bytes, INT64_SIZE, CB_ENCODING_NATIVE, 0};
  return answer(host, invocation->call, &result);
}

static const cb_function reverse_function = {
  sizeof(cb_function), 0, CB_TEXT("reverse"), CB_TEXT("([UInt8]) -> [UInt8]"), 1, 1, reverse, NULL};
static const cb_function add_function = {
  sizeof(cb_function), 0, CB_TEXT("add"), CB_TEXT("(Int, Int) -> Int"), 2, 1, add, NULL};
static const cb_function *const functions[] = {&reverse_function, &add_function};

static const cb_bundle bundle = {
  sizeof(cb_bundle), CB_ABI_VERSION, CB_TEXT("c-bundle"), CB_TEXT(__VERSION__), CB_TEXT(""),
  sizeof(functions) / sizeof(functions[0]), functions, NULL};

const cb_bundle *cloudburst_bundle(void) { return &bundle; }
