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

const char *floor_error(void);
