/* A bundle that does not get ready: compile with -DCONSTRUCTOR=STATEMENT or -DSET_UP=STATEMENT. */
#include <cloudburst.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

CB_STAMP;

#ifdef CONSTRUCTOR
__attribute__((constructor)) static void construct(void) { CONSTRUCTOR; }
#endif

static cb_outcome ready(const cb_host *host, const cb_invocation *invocation) {
  cb_value value = {(const uint8_t *)"ready", 5, CB_ENCODING_RAW, 0};
  host->result(host, invocation->call, &value);
  return CB_DONE;
}

#ifdef SET_UP
static cb_outcome set_up(const cb_host *host, const cb_invocation *invocation) {
  (void)host, (void)invocation;
  SET_UP;
  return CB_DONE;
}
#else
#define set_up NULL
#endif

static const cb_function ready_function = {
  sizeof(cb_function), 0, CB_TEXT("ready"), CB_TEXT("() -> [UInt8]"), 0, 1, ready, NULL, set_up,
  0, 0, 0};
static const cb_function *const functions[] = {&ready_function};
static const cb_bundle bundle = {
  sizeof(cb_bundle), CB_ABI_VERSION, CB_TEXT("unready"), CB_TEXT("cc"), CB_TEXT(""), 1,
  functions, NULL};

CB_EXPORT const cb_bundle *cloudburst_bundle(void) { return &bundle; }
