#pragma once
#include <stddef.h>

/*
 * The floor: what plain libzmq does in the same topology as ours, in C, with blocking clients. A
 * benchmark is a ratio to it, taken in the same run. Servers run until their process is killed;
 * every function returns 0, or an errno with the failed call's name in floor_error().
 */

/* ROUTER at `endpoint`, answering each message with itself. */
int floor_echo(const char *endpoint);

/* The scheduler's place: clients at a ROUTER on `front`, one worker at a ROUTER on `back`, messages
 * copied from one to the other with the client's name at their head. */
int floor_relay(const char *front, const char *back);

/* The executor's place: a DEALER that dials `endpoint` and answers each message with itself. */
int floor_worker(const char *endpoint);

/*
 * A client that keeps `window` requests of `size` bytes in flight until `count` are answered.
 * With window 1 `nanoseconds` (room for `count`) gets each round trip's time; else it may be NULL.
 * Returns after at most `time_limit_ms` without an answer (ETIMEDOUT). *elapsed_ns: for the whole.
 */
int floor_client(const char *endpoint, size_t size, size_t window, size_t count,
                 unsigned long long *nanoseconds, unsigned long long *elapsed_ns,
                 int time_limit_ms);

/* Frames to send in turn, one after the other in `bytes`. */
typedef struct {
  const void *hello; /* said first on each connection, and answered once; NULL for none */
  size_t hello_size;
  const void *bytes;
  const size_t *sizes;
  size_t count;
} floor_frames;

/* The last answer, for the caller to look at: room for `capacity` bytes at `bytes`. */
typedef struct {
  void *bytes;
  size_t capacity, size;
} floor_answer;

/*
 * As floor_client with frames of any kind, over `connections` (at most 64) that share the window. The
 * same code drives a server of ours and the floor's echo.
 */
int floor_load(const char *endpoint, const floor_frames *frames, size_t window,
               size_t connections, size_t count, unsigned long long *nanoseconds,
               unsigned long long *elapsed_ns, floor_answer *answer, int time_limit_ms);

/*
 * One connection with `rate` requests a second, sent when they are due, however late earlier answers
 * are. A latency counts from when its request was due. Answers come in the order of the requests.
 */
int floor_paced(const char *endpoint, const floor_frames *frames, double rate, size_t count,
                unsigned long long *nanoseconds, int time_limit_ms);

const char *floor_error(void);
