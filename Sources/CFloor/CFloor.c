#include "CFloor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zmq.h>

static const char *failed_call = "";
const char *floor_error(void) { return failed_call; }

static int failure(const char *call) {
  failed_call = call;
  return zmq_errno() ? zmq_errno() : EINVAL;
}

static unsigned long long now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (unsigned long long)t.tv_sec * 1000000000ull + (unsigned long long)t.tv_nsec;
}

/* Moves every part of one message; 0 when there was none to move. */
static int move_message(void *from, void *to, const char *prefix, size_t prefix_size) {
  zmq_msg_t part;
  int first = 1;
  for (;;) {
    zmq_msg_init(&part);
    if (zmq_msg_recv(&part, from, ZMQ_DONTWAIT) < 0) {
      zmq_msg_close(&part);
      return 0;
    }
    if (first && prefix && zmq_send(to, prefix, prefix_size, ZMQ_SNDMORE) < 0) return 0;
    int more = zmq_msg_more(&part);
    if (zmq_msg_send(&part, to, more ? ZMQ_SNDMORE : 0) < 0) zmq_msg_close(&part);
    if (!more) return 1;
    first = 0;
  }
}

int floor_echo(const char *endpoint) {
  void *context = zmq_ctx_new();
  void *router = zmq_socket(context, ZMQ_ROUTER);
  if (zmq_bind(router, endpoint)) return failure("zmq_bind");
  zmq_pollitem_t item = {router, 0, ZMQ_POLLIN, 0};
  for (;;) {
    if (zmq_poll(&item, 1, -1) < 0 && zmq_errno() != EINTR) return failure("zmq_poll");
    while (move_message(router, router, NULL, 0)) {
    }
  }
}

int floor_relay(const char *front_endpoint, const char *back_endpoint) {
  void *context = zmq_ctx_new();
  void *front = zmq_socket(context, ZMQ_ROUTER), *back = zmq_socket(context, ZMQ_ROUTER);
  char worker[256];
  size_t worker_size = 0;
  if (zmq_bind(front, front_endpoint)) return failure("zmq_bind");
  if (zmq_bind(back, back_endpoint)) return failure("zmq_bind");
  zmq_pollitem_t items[2] = {{back, 0, ZMQ_POLLIN, 0}, {front, 0, ZMQ_POLLIN, 0}};
  for (;;) {
    /* Nothing is taken from clients before the worker has said hello. */
    if (zmq_poll(items, worker_size ? 2 : 1, -1) < 0 && zmq_errno() != EINTR)
      return failure("zmq_poll");
    for (;;) {
      char name[256];
      int size = zmq_recv(back, name, sizeof name, ZMQ_DONTWAIT);
      if (size < 0) break;
      if (!worker_size) {
        char hello[8];
        memcpy(worker, name, (size_t)size);
        worker_size = (size_t)size;
        zmq_recv(back, hello, sizeof hello, 0);
      } else {
        move_message(back, front, NULL, 0);
      }
    }
    while (worker_size && move_message(front, back, worker, worker_size)) {
    }
  }
}

int floor_worker(const char *endpoint) {
  void *context = zmq_ctx_new();
  void *dealer = zmq_socket(context, ZMQ_DEALER);
  if (zmq_connect(dealer, endpoint)) return failure("zmq_connect");
  if (zmq_send(dealer, "hello", 5, 0) < 0) return failure("zmq_send");
  zmq_pollitem_t item = {dealer, 0, ZMQ_POLLIN, 0};
  for (;;) {
    if (zmq_poll(&item, 1, -1) < 0 && zmq_errno() != EINTR) return failure("zmq_poll");
    while (move_message(dealer, dealer, NULL, 0)) {
    }
  }
}

int floor_client(const char *endpoint, size_t size, size_t window, size_t count,
                 unsigned long long *nanoseconds, unsigned long long *elapsed_ns,
                 int time_limit_ms) {
  void *context = zmq_ctx_new();
  void *dealer = zmq_socket(context, ZMQ_DEALER);
  int error = 0, linger = 0, none = 0;
  char *buffer = calloc(1, size);
  zmq_setsockopt(dealer, ZMQ_LINGER, &linger, sizeof linger);
  zmq_setsockopt(dealer, ZMQ_RCVTIMEO, &time_limit_ms, sizeof time_limit_ms);
  zmq_setsockopt(dealer, ZMQ_SNDHWM, &none, sizeof none);
  if (zmq_connect(dealer, endpoint)) error = failure("zmq_connect");
  unsigned long long start = now_ns(), before = start;
  size_t sent = 0, received = 0;
  while (!error && received < count) {
    while (sent < count && sent - received < window) {
      before = now_ns();
      if (zmq_send(dealer, buffer, size, 0) < 0) {
        error = failure("zmq_send");
        break;
      }
      sent++;
    }
    if (error) break;
    if (zmq_recv(dealer, buffer, size, 0) < 0) {
      error = zmq_errno() == EAGAIN ? ETIMEDOUT : failure("zmq_recv");
      break;
    }
    if (window == 1 && nanoseconds) nanoseconds[received] = now_ns() - before;
    received++;
  }
  *elapsed_ns = now_ns() - start;
  free(buffer);
  zmq_close(dealer);
  zmq_ctx_term(context);
  return error;
}

static void *dial(void *context, const char *endpoint, const floor_frames *frames,
                  int time_limit_ms, int *error) {
  int linger = 0, none = 0;
  char welcome[4096];
  void *dealer = zmq_socket(context, ZMQ_DEALER);
  zmq_setsockopt(dealer, ZMQ_LINGER, &linger, sizeof linger);
  zmq_setsockopt(dealer, ZMQ_RCVTIMEO, &time_limit_ms, sizeof time_limit_ms);
  zmq_setsockopt(dealer, ZMQ_SNDHWM, &none, sizeof none);
  zmq_setsockopt(dealer, ZMQ_RCVHWM, &none, sizeof none);
  if (zmq_connect(dealer, endpoint)) *error = failure("zmq_connect");
  if (!*error && frames->hello) {
    if (zmq_send(dealer, frames->hello, frames->hello_size, 0) < 0)
      *error = failure("zmq_send");
    else if (zmq_recv(dealer, welcome, sizeof welcome, 0) < 0)
      *error = failure("zmq_recv");
  }
  return dealer;
}

/* Goes round the frames. */
typedef struct {
  const floor_frames *frames;
  size_t next, offset;
} cursor;

static int send_next(void *dealer, cursor *at) {
  size_t size = at->frames->sizes[at->next];
  if (zmq_send(dealer, (const char *)at->frames->bytes + at->offset, size, 0) < 0)
    return failure("zmq_send");
  at->offset += size;
  if (++at->next == at->frames->count) at->next = at->offset = 0;
  return 0;
}

static int receive(void *dealer, floor_answer *answer, int flags) {
  int size = zmq_recv(dealer, answer->bytes, answer->capacity, flags);
  if (size < 0) {
    int error = failure("zmq_recv");
    return error == EAGAIN ? ETIMEDOUT : error;
  }
  answer->size = (size_t)size;
  return 0;
}

int floor_load(const char *endpoint, const floor_frames *frames, size_t window,
               size_t connections, size_t count, unsigned long long *nanoseconds,
               unsigned long long *elapsed_ns, floor_answer *answer, int time_limit_ms) {
  enum { connections_max = 64 };
  if (connections < 1 || connections > connections_max || window < connections) return EINVAL;
  void *context = zmq_ctx_new();
  zmq_pollitem_t items[connections_max];
  int error = 0;
  cursor at = {frames, 0, 0};
  for (size_t i = 0; i < connections; i++)
    items[i] = (zmq_pollitem_t){dial(context, endpoint, frames, time_limit_ms, &error), 0,
                                ZMQ_POLLIN, 0};
  unsigned long long start = now_ns(), before = start;
  size_t sent = 0, received = 0;
  for (size_t i = 0; i < window && !error && sent < count; i++, sent++)
    error = send_next(items[i % connections].socket, &at);
  while (!error && received < count) {
    if (connections > 1) {
      int ready = zmq_poll(items, (int)connections, time_limit_ms);
      if (ready < 0) error = failure("zmq_poll");
      if (ready == 0) error = ETIMEDOUT;
    }
    for (size_t i = 0; i < connections && !error && received < count; i++) {
      if (connections > 1 && !(items[i].revents & ZMQ_POLLIN)) continue;
      for (;;) {
        error = receive(items[i].socket, answer, connections > 1 ? ZMQ_DONTWAIT : 0);
        if (error) break;
        if (window == 1 && nanoseconds) nanoseconds[received] = now_ns() - before;
        received++;
        before = now_ns();
        if (sent < count) {
          error = send_next(items[i].socket, &at);
          sent++;
        }
        if (error || received == count || connections == 1) break;
      }
      /* Nothing more waits at this one. */
      if (error == ETIMEDOUT && connections > 1) error = 0;
    }
  }
  *elapsed_ns = now_ns() - start;
  for (size_t i = 0; i < connections; i++) zmq_close(items[i].socket);
  zmq_ctx_term(context);
  return error;
}

int floor_paced(const char *endpoint, const floor_frames *frames, double rate, size_t count,
                unsigned long long *nanoseconds, int time_limit_ms) {
  char bytes[65536];
  floor_answer answer = {bytes, sizeof bytes, 0};
  void *context = zmq_ctx_new();
  int error = 0;
  void *dealer = dial(context, endpoint, frames, time_limit_ms, &error);
  cursor at = {frames, 0, 0};
  double interval = 1e9 / rate;
  unsigned long long start = now_ns(), heard = start;
  size_t sent = 0, received = 0;
  while (!error && received < count) {
    unsigned long long now = now_ns();
    while (!error && sent < count && start + (unsigned long long)(interval * (double)sent) <= now) {
      error = send_next(dealer, &at);
      sent++;
    }
    while (!error && received < sent) {
      error = receive(dealer, &answer, ZMQ_DONTWAIT);
      if (error) break;
      heard = now_ns();
      nanoseconds[received] =
          heard - (start + (unsigned long long)(interval * (double)received));
      received++;
    }
    if (error != ETIMEDOUT) continue;
    error = now_ns() - heard > (unsigned long long)time_limit_ms * 1000000ull ? ETIMEDOUT : 0;
    /* zmq_poll counts in milliseconds: requests go out in bursts of one. */
    zmq_pollitem_t item = {dealer, 0, ZMQ_POLLIN, 0};
    if (!error && zmq_poll(&item, 1, 1) < 0) error = failure("zmq_poll");
  }
  zmq_close(dealer);
  zmq_ctx_term(context);
  return error;
}
