/* Functions that do what functions should not. */
#include <cloudburst.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

CB_STAMP;

static cb_outcome give(const cb_host *host, const cb_invocation *invocation, const char *text) {
  cb_value value = {(const uint8_t *)text, strlen(text), CB_ENCODING_RAW, 0};
  host->result(host, invocation->call, &value);
  return CB_DONE;
}

static cb_outcome fine(const cb_host *host, const cb_invocation *invocation) {
  return give(host, invocation, "fine");
}

static cb_outcome trap(const cb_host *host, const cb_invocation *invocation) {
  (void)host, (void)invocation;
  __builtin_trap();
}

static cb_outcome segfault(const cb_host *host, const cb_invocation *invocation) {
  *(volatile int *)8 = 1;
  return give(host, invocation, "");
}

static cb_outcome aborting(const cb_host *host, const cb_invocation *invocation) {
  (void)host, (void)invocation;
  abort();
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

/* Loops, and takes no notice of whoever asks it to end. */
static cb_outcome deaf(const cb_host *host, const cb_invocation *invocation) {
  for (int number = 1; number < 32; number++) signal(number, SIG_IGN);
  return endless(host, invocation);
}

/* Waits in a system call for what never comes. */
static cb_outcome blocked(const cb_host *host, const cb_invocation *invocation) {
  int ends[2];
  char byte;
  if (pipe(ends) != 0 || read(ends[0], &byte, 1) != 1) return give(host, invocation, "");
  return give(host, invocation, "read");
}

/* Takes memory as fast as it can and uses it; believes that there always is some. */
static cb_outcome hoard(const cb_host *host, const cb_invocation *invocation) {
  for (;;) memset(malloc(1 << 20), 1, 1 << 20);
  return give(host, invocation, "");
}

/* The same with memory that no resource limit counts. */
static cb_outcome share(const cb_host *host, const cb_invocation *invocation) {
  for (;;) {
    void *memory =
      mmap(NULL, 16 << 20, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    memset(memory, 1, 16 << 20);
    usleep(1000);
  }
  return give(host, invocation, "");
}

/* Keeps 100 MiB that nobody can give back. */
static cb_outcome leak(const cb_host *host, const cb_invocation *invocation) {
  memset(malloc(100 << 20), 1, 100 << 20);
  return give(host, invocation, "kept");
}

/* Needs 700 MiB for a moment. */
static cb_outcome large(const cb_host *host, const cb_invocation *invocation) {
  size_t count = (size_t)700 << 20;
  char *memory = memset(malloc(count), 1, count);
  int sum = memory[0] + memory[count - 1];
  free(memory);
  return give(host, invocation, sum == 2 ? "had it" : "");
}

static int deeper(volatile char *above) {
  volatile char frame[4096];
  frame[0] = above[0];
  return deeper(frame) + frame[0];
}

static cb_outcome recurse(const cb_host *host, const cb_invocation *invocation) {
  volatile char top[1] = {0};
  return give(host, invocation, deeper(top) ? "" : " ");
}

/* 100 MB in lines of 100 bytes. */
static cb_outcome flood(const cb_host *host, const cb_invocation *invocation) {
  static char lines[100000];
  memset(lines, 'x', sizeof lines);
  for (size_t end = 99; end < sizeof lines; end += 100) lines[end] = '\n';
  for (int i = 0; i < 1000; i++) {
    for (size_t sent = 0; sent < sizeof lines;) {
      ssize_t count = write(STDOUT_FILENO, lines + sent, sizeof lines - sent);
      if (count <= 0) return CB_FAILED;
      sent += (size_t)count;
    }
  }
  return give(host, invocation, "flooded");
}

/* 100 MB without an end of line, to the other stream. */
static cb_outcome ramble(const cb_host *host, const cb_invocation *invocation) {
  static char text[100000];
  memset(text, 'y', sizeof text);
  for (int i = 0; i < 1000; i++) {
    for (size_t sent = 0; sent < sizeof text;) {
      ssize_t count = write(STDERR_FILENO, text + sent, sizeof text - sent);
      if (count <= 0) return CB_FAILED;
      sent += (size_t)count;
    }
  }
  return give(host, invocation, "rambled");
}

static cb_outcome burst(const cb_host *host, const cb_invocation *invocation) {
  size_t count = (size_t)257 << 20;
  cb_value value = {malloc(count), count, CB_ENCODING_RAW, 0};
  if (!value.bytes) return CB_FAILED;
  host->result(host, invocation->call, &value);
  free((void *)value.bytes);
  return CB_DONE;
}

/* Starts a process that would stay for ever, and says which. */
static cb_outcome beget(const cb_host *host, const cb_invocation *invocation) {
  pid_t child = fork();
  if (child == 0) {
    for (;;) pause();
  }
  char text[16];
  snprintf(text, sizeof text, "%d", (int)child);
  return give(host, invocation, text);
}

#define FUNCTION(name)                                                                             \
  {sizeof(cb_function), 0, CB_TEXT(#name), CB_TEXT("() -> [UInt8]"), 0, 1, name}

static const cb_function all[] = {
  FUNCTION(fine),  FUNCTION(trap),   FUNCTION(segfault), FUNCTION(aborting), FUNCTION(leave),
  FUNCTION(endless), FUNCTION(deaf), FUNCTION(blocked),  FUNCTION(hoard),    FUNCTION(share),
  FUNCTION(leak),  FUNCTION(recurse), FUNCTION(flood),   FUNCTION(ramble),   FUNCTION(burst),
  FUNCTION(beget), FUNCTION(large)};

enum { COUNT = sizeof all / sizeof *all };
static const cb_function *functions[COUNT];

CB_EXPORT const cb_bundle *cloudburst_bundle(void) {
  static const cb_bundle bundle = {
    sizeof(cb_bundle), CB_ABI_VERSION, CB_TEXT("misbehaving"), CB_TEXT("cc"), CB_TEXT(""), COUNT,
    functions, NULL};
  for (int i = 0; i < COUNT; i++) functions[i] = &all[i];
  return &bundle;
}
