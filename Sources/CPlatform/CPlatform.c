#define _GNU_SOURCE
#include "CPlatform.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1U << 2)
#endif

int cb_eventfd(void) { return eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC); }

int cb_signalfd(const int *signals, size_t count) {
  sigset_t set;
  sigemptyset(&set);
  for (size_t i = 0; i < count; i++) sigaddset(&set, signals[i]);
  int error = pthread_sigmask(SIG_BLOCK, &set, NULL);
  if (error != 0) {
    errno = error;
    return -1;
  }
  return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

int cb_signalfd_read(int fd) {
  struct signalfd_siginfo info;
  ssize_t count = read(fd, &info, sizeof info);
  if (count == (ssize_t)sizeof info) return (int)info.ssi_signo;
  if (count >= 0) errno = EIO;
  return -1;
}

int cb_ignore_signal(int signal_number) {
  return signal(signal_number, SIG_IGN) == SIG_ERR ? -1 : 0;
}

int cb_line_buffer_output(void) { return setvbuf(stdout, NULL, _IOLBF, 0); }

pid_t cb_gettid(void) { return (pid_t)syscall(SYS_gettid); }

static void copy_name(char kept[16], const char *name) {
  strncpy(kept, name, 15);
  kept[15] = 0;
}

int cb_set_thread_name(const char *name) {
  char kept[16];
  copy_name(kept, name);
  return prctl(PR_SET_NAME, kept);
}

int cb_set_process_title(const char *name) {
  char kept[16];
  copy_name(kept, name);
  int fd = open("/proc/self/comm", O_WRONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  ssize_t written = write(fd, kept, strlen(kept));
  int error = errno;
  close(fd);
  errno = error;
  return written < 0 ? -1 : 0;
}

int cb_set_parent_death_signal(int signal_number) {
  return prctl(PR_SET_PDEATHSIG, signal_number);
}

int cb_close_on_exec_from(unsigned first_fd) {
  return (int)syscall(SYS_close_range, first_fd, ~0U, CLOSE_RANGE_CLOEXEC);
}

int cb_pin_thread(pid_t thread, int cpu) {
  if (cpu < 0 || cpu >= CPU_SETSIZE) {
    errno = EINVAL;
    return -1;
  }
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  return sched_setaffinity(thread, sizeof set, &set);
}

int cb_allowed_cpus(int *cpus, int cpus_max) {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return -1;
  int count = 0;
  for (int cpu = 0; cpu < CPU_SETSIZE && count < cpus_max; cpu++) {
    if (CPU_ISSET(cpu, &set)) cpus[count++] = cpu;
  }
  return count;
}

int cb_reserve_file(int fd, off_t bytes) {
  int error;
  do {
    error = posix_fallocate(fd, 0, bytes);
  } while (error == EINTR);
  if (error == 0) return 0;
  errno = error;
  return -1;
}

int cb_random(void *bytes, size_t count) {
  unsigned char *next = bytes;
  while (count > 0) {
    ssize_t got = getrandom(next, count, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return -1;
    next += got;
    count -= (size_t)got;
  }
  return 0;
}

int cb_pipe(int fds[2]) { return pipe2(fds, O_CLOEXEC); }

int cb_poll(struct pollfd *fds, size_t count, int64_t nanoseconds) {
  struct timespec timeout = {nanoseconds / 1000000000, nanoseconds % 1000000000};
  return ppoll(fds, count, nanoseconds < 0 ? NULL : &timeout, NULL);
}

int cb_epoll(void) { return epoll_create1(EPOLL_CLOEXEC); }

int cb_epoll_watch(int epoll, int fd, uint32_t slot, short events, int changes_only) {
  struct epoll_event event = {0};
  if (events & POLLIN) event.events |= EPOLLIN;
  if (events & POLLOUT) event.events |= EPOLLOUT;
  if (changes_only) event.events |= EPOLLET;
  event.data.u32 = slot;
  if (epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &event) == 0) return 0;
  return errno == ENOENT ? epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) : -1;
}

void cb_epoll_forget(int epoll, int fd) {
  struct epoll_event none = {0};
  epoll_ctl(epoll, EPOLL_CTL_DEL, fd, &none);
}

/* Kernels before 5.11, and some sandboxes, have timeouts in milliseconds only: rounded up. */
static int wait_in_milliseconds(int epoll, struct epoll_event *found, int max, int64_t left) {
  int64_t milliseconds = left < 0 ? -1 : left / 1000000 + (left % 1000000 != 0);
  return epoll_wait(epoll, found, max, milliseconds > 86400000 ? 86400000 : (int)milliseconds);
}

int cb_epoll_wait(int epoll, cb_ready *ready, int max, int64_t nanoseconds) {
  struct epoll_event found[32];
  int count = -1;
  if (max > 32) max = 32;
#ifdef SYS_epoll_pwait2
  struct timespec timeout = {nanoseconds / 1000000000, nanoseconds % 1000000000};
  count = (int)syscall(
      SYS_epoll_pwait2, epoll, found, max, nanoseconds < 0 ? NULL : &timeout, NULL, (size_t)0);
  if (count < 0 && errno == ENOSYS)
#endif
    count = wait_in_milliseconds(epoll, found, max, nanoseconds);
  for (int i = 0; i < count; i++) {
    ready[i].slot = found[i].data.u32;
    ready[i].events = 0;
    if (found[i].events & EPOLLIN) ready[i].events |= POLLIN;
    if (found[i].events & EPOLLOUT) ready[i].events |= POLLOUT;
    if (found[i].events & (EPOLLERR | EPOLLHUP)) ready[i].events |= POLLHUP;
  }
  return count;
}

const char *cb_error_name(int code) {
  const char *name = strerrorname_np(code);
  return name ? name : "unknown";
}

const char *cb_error_text(int code) {
  const char *text = strerrordesc_np(code);
  return text ? text : "unknown error";
}

void cb_give_back_memory(void) {
  mallopt(M_MMAP_THRESHOLD, 256 << 10);
  mallopt(M_TRIM_THRESHOLD, 1 << 20);
}

int cb_clock_is_synchronised(void) {
  struct timex facts = {0};
  return adjtimex(&facts) >= 0 && (facts.status & STA_UNSYNC) == 0;
}
