#define _GNU_SOURCE
#include "CPlatform.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <ucontext.h>
#include <unistd.h>

/* Everything below `report` runs in a signal handler: system calls and arithmetic only. */

static const int fatal_signals[] = {SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGSYS};
enum { FATAL_COUNT = sizeof fatal_signals / sizeof *fatal_signals };
static struct sigaction previous[FATAL_COUNT];

/* A fault this close to the stack pointer is one of the stack: elsewhere near it the stack is. */
enum { STACK_REACH_BYTES = 1 << 20, HANDLER_STACK_BYTES = 128 * 1024 };

typedef struct line {
  char text[256];
  size_t count;
} line;

static void add_text(line *l, const char *text) {
  while (*text && l->count < sizeof l->text) l->text[l->count++] = *text++;
}

static void add_number(line *l, const char *name, uint64_t number) {
  char digits[20];
  size_t count = 0;
  add_text(l, name);
  do {
    digits[count++] = (char)('0' + number % 10);
    number /= 10;
  } while (number > 0);
  while (count > 0 && l->count < sizeof l->text) l->text[l->count++] = digits[--count];
}

static uintptr_t stack_pointer(const ucontext_t *context) {
#if defined(__x86_64__)
  return (uintptr_t)context->uc_mcontext.gregs[REG_RSP];
#elif defined(__aarch64__)
  return (uintptr_t)context->uc_mcontext.sp;
#else
  return 0;
#endif
}

static int is_stack_overflow(int number, const siginfo_t *info, const ucontext_t *context) {
  if (number != SIGSEGV || info->si_code <= 0) return 0;
  uintptr_t address = (uintptr_t)info->si_addr, top = stack_pointer(context);
  uintptr_t distance = address > top ? address - top : top - address;
  return distance < STACK_REACH_BYTES;
}

int cb_process_memory(int statm_descriptor, cb_memory *memory) {
  char text[160];
  ssize_t count = pread(statm_descriptor, text, sizeof text - 1, 0);
  if (count <= 0) return -1;
  text[count] = 0;
  uint64_t pages[6] = {0};
  int field = 0;
  for (const char *next = text; *next && field < 6; next++) {
    if (*next == ' ') field++;
    if (*next >= '0' && *next <= '9') pages[field] = pages[field] * 10 + (uint64_t)(*next - '0');
  }
  uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
  memory->resident = pages[1] * page;
  memory->shared = pages[2] * page;
  memory->data = pages[5] * page;
  return 0;
}

static uint64_t own_data_bytes(void) {
  int descriptor = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return 0;
  cb_memory memory = {0, 0, 0};
  cb_process_memory(descriptor, &memory);
  close(descriptor);
  return memory.data;
}

static void report(int number, siginfo_t *info, void *context) {
  int error = errno;
  struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};
  getrlimit(RLIMIT_DATA, &limit);
  line l = {.count = 0};
  add_text(&l, CB_CRASH_LINE_START);
  add_number(&l, " signal=", (uint64_t)number);
  add_number(&l, " overflow=", (uint64_t)is_stack_overflow(number, info, context));
  add_number(&l, " data=", own_data_bytes());
  add_number(&l, " limit=", limit.rlim_cur);
  add_number(&l, " errno=", (uint64_t)error);
  add_text(&l, "\n");
  if (write(STDERR_FILENO, l.text, l.count) < 0) { /* nobody is left to tell */
  }
  struct sigaction *next = NULL;
  for (int i = 0; i < FATAL_COUNT; i++) {
    sigaction(fatal_signals[i], &previous[i], NULL);
    if (fatal_signals[i] == number) next = &previous[i];
  }
  errno = error;
  if (next && (next->sa_flags & SA_SIGINFO) && next->sa_sigaction) {
    next->sa_sigaction(number, info, context);
  } else if (next && next->sa_handler != SIG_DFL && next->sa_handler != SIG_IGN) {
    next->sa_handler(number);
  } else if (info->si_code <= 0) {
    raise(number); /* sent, not caused: going back would go on; blocked until we return */
  }
}

int cb_report_crashes(void) {
  static char *stack;
  if (!stack) stack = malloc(HANDLER_STACK_BYTES);
  if (!stack) return -1;
  stack_t alternative = {.ss_sp = stack, .ss_size = HANDLER_STACK_BYTES};
  if (sigaltstack(&alternative, NULL) != 0) return -1;
  for (int i = 0; i < FATAL_COUNT; i++) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = report;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigfillset(&action.sa_mask);
    if (sigaction(fatal_signals[i], &action, &previous[i]) != 0) return -1;
  }
  return 0;
}

int cb_set_data_limit(uint64_t bytes) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_DATA, &limit) != 0) return -1;
  limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
  return setrlimit(RLIMIT_DATA, &limit);
}

uint64_t cb_data_limit_of(pid_t process) {
  struct rlimit limit;
  return prlimit(process, RLIMIT_DATA, NULL, &limit) == 0 ? limit.rlim_cur : RLIM_INFINITY;
}
