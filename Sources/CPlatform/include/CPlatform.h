/* What Swift's Glibc module lacks, and the launcher of child processes, which has to be C:
 * between the clone and the exec no Swift code may run. Functions return 0 or a value >= 0 on
 * success and -1 with errno otherwise, unless said differently. Linux only. */
#pragma once

#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

int cb_eventfd(void);                        /* non-blocking, close-on-exec, counter 0 */
int cb_signalfd(const int *signals, size_t count); /* blocks them in the calling thread first */
int cb_signalfd_read(int fd);                /* the signal's number; EAGAIN when none is pending */
int cb_ignore_signal(int signal_number);
int cb_line_buffer_output(void);             /* C's stdout, also where it is no terminal */
pid_t cb_gettid(void);
int cb_set_thread_name(const char *name);    /* the calling thread's; at most 15 bytes are kept */
int cb_set_process_title(const char *name);  /* what `ps -o comm` shows; at most 15 bytes */
int cb_set_parent_death_signal(int signal_number); /* sent when the spawning THREAD ends */
int cb_close_on_exec_from(unsigned first_fd);
int cb_pin_thread(pid_t thread, int cpu);    /* thread 0: the calling one */
int cb_allowed_cpus(int *cpus, int cpus_max); /* how many the calling thread may run on */
int cb_reserve_file(int fd, off_t bytes);    /* posix_fallocate with errno, EINTR retried */
int cb_clock_is_synchronised(void);          /* whether a time service keeps the wall clock: 0 or 1 */
int cb_random(void *bytes, size_t count);    /* getrandom, until all bytes are there */
int cb_pipe(int fds[2]);                     /* close-on-exec */
/* ppoll: waits at most `nanoseconds` (negative: for ever), so timers keep their resolution. */
int cb_poll(struct pollfd *fds, size_t count, int64_t nanoseconds);
/* Freed memory of large blocks returns to the system at once; glibc would come to keep it. */
void cb_give_back_memory(void);

/* epoll with the events of poll(2). A slot is the watcher's own number. */
typedef struct cb_ready {
  uint32_t slot;
  short events; /* POLLIN, POLLOUT, and POLLHUP for an error or a hang-up */
} cb_ready;
int cb_epoll(void);                          /* close-on-exec */
/* Adds or changes; with `changes_only` a signal is told once, not for as long as it lasts. */
int cb_epoll_watch(int epoll, int fd, uint32_t slot, short events, int changes_only);
void cb_epoll_forget(int epoll, int fd);     /* no error for one that is closed already */
/* At most 32 a call, the others in the next; `nanoseconds` as for cb_poll. */
int cb_epoll_wait(int epoll, cb_ready *ready, int max, int64_t nanoseconds);

const char *cb_error_name(int code);         /* "ENOENT"; static storage, any thread */
const char *cb_error_text(int code);         /* "No such file or directory"; static storage */

/* A fatal signal of this process is told in one line on standard error, which begins with this and
 * goes on with ` signal=N overflow=0|1 data=BYTES limit=BYTES errno=N` (overflow: of the stack; data
 * and limit: RLIMIT_DATA), before whoever handled the signal until now (Swift's backtracer) does.
 * Sees overflows of the calling thread's stack only. */
#define CB_CRASH_LINE_START "cloudburst-executor: fatal"
int cb_report_crashes(void);
int cb_set_data_limit(uint64_t bytes); /* the soft RLIMIT_DATA; at most the hard one */
uint64_t cb_data_limit_of(pid_t process); /* the soft one of another process; UINT64_MAX: none */

typedef struct cb_memory {
  uint64_t resident, shared; /* bytes in memory; of these, of files and shared memory */
  uint64_t data;             /* bytes of private writable mappings: what RLIMIT_DATA limits */
} cb_memory;
int cb_process_memory(int statm_descriptor, cb_memory *memory); /* of an open /proc/PID/statm */

typedef struct cb_spawn_request {
  const char *path;           /* absolute; no search */
  char *const *argv;          /* NULL-terminated */
  char *const *envp;          /* NULL-terminated; nothing else is inherited */
  const char *working_folder; /* NULL: the caller's */
  int standard_fds[3];        /* -1: /dev/null; all other descriptors are closed in the child */
  uint64_t data_bytes_max;    /* the soft RLIMIT_DATA; 0: the caller's */
  int parent_death_signal;    /* 0: none. Sent when the THREAD that spawned ends: see prctl(2) */
  int own_process_group;      /* non-zero: the child leads a new process group */
} cb_spawn_request;

typedef struct cb_spawned {
  pid_t pid;
  int pidfd;               /* close-on-exec; readable once the child has ended */
  int error;               /* 0, or errno of the call that failed; then no child is left behind */
  const char *failed_call; /* static storage */
} cb_spawned;

/* Starts a child with default signal dispositions, an empty signal mask, RLIMIT_CORE 0 and the
 * three standard descriptors only. Returns once the child runs its new image, or has failed to. */
cb_spawned cb_spawn(const cb_spawn_request *request);
int cb_open_process(pid_t process); /* a pidfd, close-on-exec; -1 where no such process is */
int cb_signal_process(int pidfd, int signal_number); /* never hits a recycled process id */
