/* A function that takes its time and says who took it. */
#include <cloudburst.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

CB_STAMP;

static cb_outcome nap(const cb_host *host, const cb_invocation *invocation) {
  struct timespec rest = {1, 500000000};
  while (nanosleep(&rest, &rest) != 0) {
  }
  char text[16];
  snprintf(text, sizeof text, "%d", (int)getpid());
  cb_value value = {(const uint8_t *)text, strlen(text), CB_ENCODING_RAW, 0};
  host->result(host, invocation->call, &value);
  return CB_DONE;
}

static const cb_function nap_function = {
  sizeof(cb_function), 0, CB_TEXT("nap"), CB_TEXT("() -> [UInt8]"), 0, 1, nap, NULL};

static const cb_function *const functions[] = {&nap_function};

static const cb_bundle bundle = {
  sizeof(cb_bundle), CB_ABI_VERSION, CB_TEXT("napping"), CB_TEXT("cc"), CB_TEXT(""), 1,
  functions, NULL};

CB_EXPORT const cb_bundle *cloudburst_bundle(void) { return &bundle; }
