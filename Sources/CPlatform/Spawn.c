#define _GNU_SOURCE
#include "CPlatform.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1U << 2)
#endif

/* The child shares the parent's memory until it execs (CLONE_VM), and the calling thread is
 * suspended meanwhile (CLONE_VFORK). So the child may make system calls and write to `launch`, and
 * nothing else: no allocation, no locks, no libc call that keeps state. Raw system calls also keep
 * sanitizers, whose wrappers of libc would touch the parent's bookkeeping, out of it. */
#if defined(__clang__)
#define NOT_SANITIZED __attribute__((disable_sanitizer_instrumentation))
#else
#define NOT_SANITIZED __attribute__((no_sanitize("address", "thread")))
#endif

/* glibc's other name of clone: ThreadSanitizer replaces `clone` by a wrapper that takes the child
 * for a fork with memory of its own, and aborts. */
int __clone(int (*run)(void *), void *stack_top, int flags, void *argument, ...);

enum { LAUNCH_STACK_BYTES = 64 * 1024 };

typedef struct launch {
  const cb_spawn_request *request;
  pid_t parent;
  int error;
  const char *failed_call;
} launch;

/* Never returns: the parent reads `launch` once the kernel lets it run again. */
NOT_SANITIZED static void give_up(launch *l, const char *call) {
  l->error = errno;
  l->failed_call = call;
  syscall(SYS_exit_group, 127);
  __builtin_unreachable();
}

/* Handlers would be reset by exec, but ignored signals stay ignored (SIGPIPE is, in every process
 * of ours), and a handler must not run in the shared memory once the mask is lifted. All zeroes is
 * SIG_DFL without flags, whatever the layout of the kernel's struct. */
NOT_SANITIZED static void reset_signals(launch *l) {
  unsigned char default_action[64] = {0};
  for (int number = 1; number <= 64; number++) {
    if (number == SIGKILL || number == SIGSTOP) continue;
    syscall(SYS_rt_sigaction, number, default_action, NULL, 8);
  }
  unsigned char empty_mask[8] = {0};
  if (syscall(SYS_rt_sigprocmask, SIG_SETMASK, empty_mask, NULL, 8) != 0) {
    give_up(l, "rt_sigprocmask");
  }
}

NOT_SANITIZED static void set_limit(launch *l, int resource, uint64_t bytes, int hard_too) {
  struct rlimit limit;
  if (syscall(SYS_prlimit64, 0, resource, NULL, &limit) != 0) give_up(l, "prlimit");
  if (hard_too) limit.rlim_max = bytes;
  limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
  if (syscall(SYS_prlimit64, 0, resource, &limit, NULL) != 0) give_up(l, "prlimit");
}

/* First out of the way of 0...2, then into place, so that any order of descriptors works. */
NOT_SANITIZED static void place_descriptors(launch *l) {
  int moved[3];
  for (int i = 0; i < 3; i++) {
    int fd = l->request->standard_fds[i];
    if (fd < 0) {
      fd = (int)syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC, 0);
      if (fd < 0) give_up(l, "open /dev/null");
    }
    moved[i] = (int)syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 3);
    if (moved[i] < 0) give_up(l, "fcntl");
  }
  for (int i = 0; i < 3; i++) {
    if (syscall(SYS_dup3, moved[i], i, 0) < 0) give_up(l, "dup3");
  }
  if (syscall(SYS_close_range, 3, ~0U, CLOSE_RANGE_CLOEXEC) != 0) give_up(l, "close_range");
}

NOT_SANITIZED static int run_child(void *argument) {
  launch *l = argument;
  const cb_spawn_request *request = l->request;
  if (request->parent_death_signal != 0) {
    if (syscall(SYS_prctl, PR_SET_PDEATHSIG, request->parent_death_signal, 0, 0, 0) != 0) {
      give_up(l, "prctl");
    }
    /* A parent that died before the line above would never be noticed. */
    if ((pid_t)syscall(SYS_getppid) != l->parent) syscall(SYS_exit_group, 127);
  }
  if (request->own_process_group && syscall(SYS_setpgid, 0, 0) != 0) give_up(l, "setpgid");
  if (request->working_folder && syscall(SYS_chdir, request->working_folder) != 0) {
    give_up(l, "chdir");
  }
  place_descriptors(l);
  set_limit(l, RLIMIT_CORE, 0, 1);
  if (request->data_bytes_max != 0) set_limit(l, RLIMIT_DATA, request->data_bytes_max, 0);
  reset_signals(l);
  syscall(SYS_execve, request->path, request->argv, request->envp);
  give_up(l, "execve");
  return 127;
}

cb_spawned cb_spawn(const cb_spawn_request *request) {
  cb_spawned spawned = {-1, -1, 0, NULL};
  launch l = {request, getpid(), 0, NULL};
  char *stack = mmap(NULL, LAUNCH_STACK_BYTES, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  if (stack == MAP_FAILED) {
    spawned.error = errno;
    spawned.failed_call = "mmap";
    return spawned;
  }
  /* No handler of ours may run in the child while it shares our memory. */
  sigset_t all, previous;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &previous);
  int pidfd = -1;
  pid_t pid = __clone(run_child, stack + LAUNCH_STACK_BYTES,
                      CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, &l, &pidfd);
  int clone_error = errno;
  pthread_sigmask(SIG_SETMASK, &previous, NULL);
  munmap(stack, LAUNCH_STACK_BYTES);
  if (pid < 0) {
    spawned.error = clone_error;
    spawned.failed_call = "clone";
  } else if (l.error != 0) {
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
    }
    close(pidfd);
    spawned.error = l.error;
    spawned.failed_call = l.failed_call;
  } else {
    spawned.pid = pid;
    spawned.pidfd = pidfd;
  }
  return spawned;
}

int cb_open_process(pid_t process) { return (int)syscall(SYS_pidfd_open, process, 0); }

int cb_signal_process(int pidfd, int signal_number) {
  return (int)syscall(SYS_pidfd_send_signal, pidfd, signal_number, NULL, 0);
}
