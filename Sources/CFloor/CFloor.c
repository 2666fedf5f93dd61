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
