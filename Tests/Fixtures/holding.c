/* A function that uses a large stored value in place for as long as a test wants. */
#include <cloudburst.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

CB_STAMP;

/* Looks at every page of its first argument until the file exists that the second one names, and says
 * how often it looked, or "changed". Makes a file of that name with ".held" when it begins. */
static cb_outcome hold(const cb_host *host, const cb_invocation *invocation) {
  const cb_value *held = &invocation->arguments[0], *name = &invocation->arguments[1];
  char path[512] = {0}, begun[520], text[32] = {0};
  if (held->count < 1 || name->count >= sizeof path) return CB_FAILED;
  memcpy(path, name->bytes, name->count);
  snprintf(begun, sizeof begun, "%s.held", path);
  close(open(begun, O_CREAT | O_WRONLY, 0600));
  const volatile uint8_t *bytes = held->bytes;
  const uint8_t first = bytes[held->count - 1];
  unsigned long looks = 0;
  for (; access(path, F_OK) != 0; looks++) {
    for (size_t at = held->count - 1; at > 4096; at -= 4096) {
      if (bytes[at] != first) strcpy(text, "changed");
    }
    usleep(1000);
  }
  if (text[0] == 0) {
    size_t end = sizeof text - 1;
    for (; looks > 0 && end > 0; looks /= 10) text[--end] = (char)('0' + looks % 10);
    memmove(text, text + end, sizeof text - end);
  }
  cb_value result = {(const uint8_t *)text, strlen(text), CB_ENCODING_RAW, 0};
  host->result(host, invocation->call, &result);
  return CB_DONE;
}

static const cb_function function = {
  sizeof(cb_function), 0, CB_TEXT("hold"), CB_TEXT("([UInt8], [UInt8]) -> [UInt8]"), 2, 1, hold};
static const cb_function *functions[] = {&function};

CB_EXPORT const cb_bundle *cloudburst_bundle(void) {
  static const cb_bundle bundle = {
    sizeof(cb_bundle), CB_ABI_VERSION, CB_TEXT("holding"), CB_TEXT("cc"), CB_TEXT(""), 1,
    functions, NULL};
  return &bundle;
}
