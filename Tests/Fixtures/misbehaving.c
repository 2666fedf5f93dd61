/* Functions that do what functions should not. */
#include <cloudburst.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

CB_STAMP;

static cb_outcome give(const cb_host *host, const cb_invocation *invocation, const char *text) {
  cb_value value = {(const uint8_t *)text, strlen(text), CB_ENCODING_RAW, 0};
  host->result(host, invocation->call, &value);
  return CB_DONE;
}

static cb_outcome segfault(const cb_host *host, const cb_invocation *invocation) {
  *(volatile int *)8 = 1;
  return give(host, invocation, "");
}

static cb_outcome leave(const cb_host *host, const cb_invocation *invocation) {
  (void)host, (void)invocation;
  exit(7);
}

static cb_outcome endless(const cb_host *host, const cb_invocation *invocation) {
  for (volatile unsigned i = 0;; i++) {
  }
  return give(host, invocation, "");
}

static cb_outcome fine(const cb_host *host, const cb_invocation *invocation) {
  return give(host, invocation, "fine");
}

#define FUNCTION(name)                                                                             \
  static const cb_function name##_function = {                                                     \
    sizeof(cb_function), 0, CB_TEXT(#name), CB_TEXT("() -> [UInt8]"), 0, 1, name, NULL}

FUNCTION(segfault);
FUNCTION(leave);
FUNCTION(endless);
FUNCTION(fine);

static const cb_function *const functions[] = {
  &segfault_function, &leave_function, &endless_function, &fine_function};

static const cb_bundle bundle = {
  sizeof(cb_bundle), CB_ABI_VERSION, CB_TEXT("misbehaving"), CB_TEXT("cc"), CB_TEXT(""), 4,
  functions, NULL};

CB_EXPORT const cb_bundle *cloudburst_bundle(void) { return &bundle; }
