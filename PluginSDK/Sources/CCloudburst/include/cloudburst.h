#ifndef CLOUDBURST_H
#define CLOUDBURST_H

/*
 * The contract between an executor (the host) and a bundle: a shared object whose functions the
 * platform calls. C only, so that any language with a C ABI can provide or run bundles.
 *
 * A bundle exports two symbols:
 *
 *   cloudburst_stamp    a constant cb_stamp, read from the file before it is loaded;
 *   cloudburst_bundle   a function returning the bundle's descriptor.
 *
 * Versioning. Structs grow at their end; nothing is reordered, removed or given another meaning
 * under the same CB_ABI_VERSION. Every struct that may grow starts with its size as its maker
 * compiled it: read a field only if struct_size covers it (CB_HAS). Fields named `reserved` are 0.
 *
 * Threads. A host has one loop thread. It calls cloudburst_bundle, invoke and resume there, one
 * at a time. Each host function below says LOOP THREAD ONLY or ANY THREAD; the former check and
 * return CB_WRONG_THREAD elsewhere, changing nothing.
 *
 * Ownership. Bytes are borrowed, never handed over: what one side passes stays its own, and the
 * other side copies what it wants to keep. Each item says until when it may be read.
 */

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CB_ABI_VERSION 1u
/* The oldest ABI version whose hosts and bundles still work with this header's. */
#define CB_ABI_VERSION_MIN 1u
#define CB_SDK_VERSION "0.1.0"

/* Does the struct that `pointer` points at, as its maker compiled it, contain `field`? */
#define CB_HAS(pointer, field)                                                                     \
  ((const char *)&(pointer)->field + sizeof((pointer)->field) <=                                   \
   (const char *)(pointer) + (pointer)->struct_size)

/* What a host function answers. Negative: refused, nothing was changed. */
typedef int32_t cb_status;
enum {
  CB_OK = 0,
  CB_MISSING = 1,        /* no such key: an answer, not an error */
  CB_WOULD_WAIT = 2,     /* not at hand, and CB_NO_WAIT was asked for */
  CB_WRONG_THREAD = -1,  /* not the loop thread */
  CB_STALE_CALL = -2,    /* the call is unknown or already complete */
  CB_INVALID = -3,       /* an argument breaks this contract */
  CB_LATTICE = -4,       /* the key holds a value of another lattice type */
  CB_UNAVAILABLE = -5,   /* the store cannot be reached */
  CB_DEADLINE = -6,      /* the call's deadline has passed */
  CB_OVERLOADED = -7,    /* a bounded queue is full; later may work */
  CB_TOO_LARGE = -8,     /* value above its limit */
  CB_UNSUPPORTED = -9,   /* this host does not know the operation */
  CB_INTERNAL = -10,     /* a fault of the host */
  CB_KEY_INVALID = -11,  /* empty, or longer than the host's limit */
  CB_KEY_RESERVED = -12, /* the key is one of the platform's own */
  CB_CANCELLED = -13     /* the caller gave the call up */
};

/* What invoke returns. */
typedef int32_t cb_outcome;
enum {
  CB_DONE = 0,    /* result was given; the call is over */
  CB_FAILED = 1,  /* fail was given; the call is over */
  CB_PENDING = 2  /* result or fail, then complete, follow (or came before invoke returned) */
};

/* Codes for `fail`: names of docs/errors.md. A host takes any other text as FUNCTION_FAILED. */
#define CB_CODE_FUNCTION_FAILED "FUNCTION_FAILED" /* the function itself refused or threw */
#define CB_CODE_BAD_ARGUMENT "BAD_ARGUMENT"       /* the arguments do not fit the signature */
#define CB_CODE_SET_UP_FAILED "SET_UP_FAILED"     /* set-up failed; the next call tries it again */
#define CB_CODE_RESULT_TOO_LARGE "RESULT_TOO_LARGE" /* above the limit of one value */

/* How a value's bytes are to be read. */
enum {
  CB_ENCODING_RAW = 0,   /* bytes as they are */
  CB_ENCODING_JSON = 1,  /* one JSON text, UTF-8 */
  CB_ENCODING_NATIVE = 2 /* docs/native-format.md */
};

/* Bytes with their encoding. Plain; does not grow. bytes may be NULL when count is 0. */
typedef struct cb_value {
  const uint8_t *bytes;
  size_t count;
  uint32_t encoding;
  uint32_t reserved;
} cb_value;

/* UTF-8 text, not NUL-terminated. Plain; does not grow. */
typedef struct cb_text {
  const char *bytes;
  size_t count;
} cb_text;

/* One call, named by the host. Never reused while the host lives; 0 is no call. */
typedef uint64_t cb_call;

typedef struct cb_host cb_host;
typedef struct cb_function cb_function;

/* What invoke is told. Borrowed, with everything it points at, until the call is over. */
typedef struct cb_invocation {
  uint32_t struct_size;
  uint32_t argument_count;
  cb_call call;
  const cb_function *function;
  const cb_value *arguments;
  const uint8_t *id; /* 16 bytes: the invocation's id, the same at every attempt */
  uint32_t attempt;  /* from 1 */
  uint32_t reserved;
} cb_invocation;

/*
 * Runs one call; the host calls it on its loop thread. Before CB_DONE it must have given a result,
 * before CB_FAILED a failure; after CB_PENDING the loop goes on and may start further calls, up to
 * the function's `concurrency`.
 */
typedef cb_outcome (*cb_invoke)(const cb_host *host, const cb_invocation *invocation);

enum {
  CB_FUNCTION_ASYNC = 1u << 0 /* invoke may return CB_PENDING */
};

struct cb_function {
  uint32_t struct_size;
  uint32_t flags;
  cb_text name;      /* 1 to 255 bytes of A-Z a-z 0-9 . _ - */
  cb_text signature; /* such as "(Int, [Double]) -> String"; for people and for the CLI */
  uint32_t parameter_count;
  uint32_t concurrency; /* calls of this function that may be in flight at once; 1 if not ASYNC */
  cb_invoke invoke;
  void *context; /* the bundle's own; the host does not touch it */

  /* From here on: fields that older bundles lack (CB_HAS). Zero leaves each to the host. */

  /*
   * Does the function's one-time set-up now, without a call: an invocation without arguments, ended by
   * CB_DONE, or by CB_FAILED after fail. A host proves a new version by it in a process of its own,
   * where no key can be read or written (CB_UNSUPPORTED). Other processes may never call it, so invoke
   * does the set-up itself where it is still to be done. NULL: there is none.
   */
  cb_invoke set_up;
  uint64_t time_limit_us;    /* microseconds a call may run; a caller's shorter limit counts */
  uint32_t memory_mebibytes; /* private memory a call may have, in MiB; a caller's other wish counts */
  uint32_t attempts_max;     /* 1 to 255 attempts where executors are lost; a caller's wish counts */
};

/* The descriptor and all it points at live, unchanged, as long as the process. */
typedef struct cb_bundle {
  uint32_t struct_size;
  uint32_t abi_version; /* CB_ABI_VERSION of the bundle */
  cb_text name;
  cb_text compiler;    /* of the bundle's own code, free text */
  cb_text sdk_version; /* empty when no SDK was used */
  size_t function_count;
  const cb_function *const *functions;
  /*
   * Answers `request`; NULL if the bundle never makes one. Called on the loop thread, exactly once
   * for every request that was accepted, with CB_STALE_CALL if its call was over before. `reply` is
   * what the operation says, NULL unless status is CB_OK, and readable until resume returns.
   */
  void (*resume)(uint64_t token, cb_status status, const void *reply);
} cb_bundle;

/* The one entry point. Returns NULL if the bundle cannot be set up at all. */
typedef const cb_bundle *(*cb_entry)(void);
#define CB_ENTRY_SYMBOL "cloudburst_bundle"

/* Lattice types of stored values. */
enum {
  CB_LATTICE_LWW = 1,    /* bytes with an encoding; the last writer wins */
  CB_LATTICE_SET = 2,    /* a set of byte strings */
  CB_LATTICE_COUNTER = 3 /* a signed 64-bit sum */
};

enum {
  CB_NO_WAIT = 1u << 0 /* get: answer CB_WOULD_WAIT instead of waiting for the store */
};

enum {
  CB_STORED_WHOLE_CALL = 1u << 0 /* bytes may be read until the call is over */
};

/*
 * What a key holds. `get` fills it: the caller sets struct_size, the host writes no further.
 *   LWW:     value.bytes and value.encoding.
 *   COUNTER: integer.
 *   SET:     element_count elements in value.bytes, each a 32-bit little-endian length and that
 *            many bytes, in ascending byte order; value.encoding is that of every element.
 * The bytes may be read until the next host function that takes this call, or until the body gives
 * control back (invoke, resume or a posted thunk returns), whichever is first; and until the call is
 * over if flags has CB_STORED_WHOLE_CALL. No alignment is promised.
 */
typedef struct cb_stored {
  uint32_t struct_size;
  uint32_t lattice;
  uint32_t flags;
  uint32_t element_count;
  cb_value value;
  int64_t integer;
} cb_stored;

enum {
  CB_UPDATE_COUNTER_ADD = 1, /* adds integer (may be negative) */
  CB_UPDATE_SET_ADD = 2      /* adds value as an element; one set holds one encoding */
};

/* A change that merges with concurrent ones. A missing key starts as 0 or the empty set. */
typedef struct cb_update {
  uint32_t struct_size;
  uint32_t kind;
  int64_t integer;
  cb_value value;
} cb_update;

/* Operations of request and request_blocking; others answer CB_UNSUPPORTED. */
enum {
  CB_OPERATION_GET = 1 /* input: the key; reply: a cb_stored; status CB_MISSING: no such key */
};

enum {
  CB_LOG_TRACE = 0,
  CB_LOG_DEBUG = 1,
  CB_LOG_INFO = 2,
  CB_LOG_WARNING = 3,
  CB_LOG_ERROR = 4
};

/* No deadline: what deadline_remaining answers for a call that has none. */
#define CB_NO_DEADLINE INT64_MAX

/*
 * What a host offers. The table and the host behind it live as long as the process, so a late use
 * is answered (CB_STALE_CALL), never undefined.
 */
struct cb_host {
  uint32_t struct_size;
  uint32_t abi_version;
  void *instance; /* the host's own; a bundle does not touch it */

  /* Gives the call's result; the host copies it. Once a call, not after fail. LOOP THREAD ONLY. */
  cb_status (*result)(const cb_host *host, cb_call call, const cb_value *value);

  /* Ends the call with an error; the host copies both texts. Once a call, not after result.
   * LOOP THREAD ONLY. */
  cb_status (*fail)(const cb_host *host, cb_call call, cb_text code, cb_text message);

  /* Says that a pending call is over; what it borrowed is gone. LOOP THREAD ONLY. */
  cb_status (*complete)(const cb_host *host, cb_call call);

  /* Runs thunk(context) on the loop thread soon, in the order posted, never inside another piece of
   * a body. Refused only when the loop has ended; context is then still the caller's. ANY THREAD. */
  cb_status (*post)(const cb_host *host, void (*thunk)(void *context), void *context);

  /* Starts an operation that answers through the bundle's resume with the same token, never from
   * within this function. The host copies input. Refused: resume is not called. LOOP THREAD ONLY. */
  cb_status (*request)(
    const cb_host *host, cb_call call, uint32_t operation, cb_value input, uint64_t token);

  /* The same, waiting: for bodies that are not ASYNC. Until the reply the host takes replies and
   * control messages but starts no other call and runs no thunk. `reply` points at the operation's
   * reply struct with struct_size set; its bytes live as those of get. LOOP THREAD ONLY. */
  cb_status (*request_blocking)(
    const cb_host *host, cb_call call, uint32_t operation, cb_value input, void *reply);

  /* Reads a key: CB_OK, CB_MISSING or an error; a read sees the call's own writes. Waits as
   * request_blocking does unless flags has CB_NO_WAIT. LOOP THREAD ONLY. */
  cb_status (*get)(const cb_host *host, cb_call call, cb_text key, uint32_t flags, cb_stored *stored);

  /* Writes a last-writer-wins value; the host copies it. CB_OK means taken in order: the call's
   * result is released when the write is acknowledged at the session's level. LOOP THREAD ONLY. */
  cb_status (*put)(const cb_host *host, cb_call call, cb_text key, const cb_value *value);

  /* Deletes a key; deleting a missing key is CB_OK. Otherwise as put. LOOP THREAD ONLY. */
  cb_status (*remove)(const cb_host *host, cb_call call, cb_text key);

  /* Merges a change into a counter or a set, without reading it. As put. LOOP THREAD ONLY. */
  cb_status (*update)(const cb_host *host, cb_call call, cb_text key, const cb_update *update);

  /* Adds one line to the function's log; the host copies it. LOOP THREAD ONLY. */
  cb_status (*log)(const cb_host *host, cb_call call, uint32_t level, cb_text message);

  /* Nanoseconds until the deadline (0 when passed), CB_NO_DEADLINE, or an error. LOOP THREAD ONLY. */
  int64_t (*deadline_remaining)(const cb_host *host, cb_call call);

  /* A sentence about why the latest function that took this call refused; empty if none did.
   * Readable until the next host function that takes this call. LOOP THREAD ONLY. */
  cb_text (*last_error)(const cb_host *host, cb_call call);
};

/*
 * The stamp: read from the file, before any code of it runs. It holds no pointers, so that its bytes
 * in the file are its value. `toolchain` matters only to files that need the Swift runtime, which is
 * shared with the host: it must equal the host's. Texts are padded with NUL.
 */
#define CB_STAMP_MAGIC "cloudburst-stamp" /* 16 bytes, without the NUL */
#define CB_STAMP_SYMBOL "cloudburst_stamp"

typedef struct cb_stamp {
  uint8_t magic[16];
  uint32_t struct_size;
  uint32_t abi_version;
  char toolchain[160];
  char sdk_version[32];
} cb_stamp;

#define CB_STAMP_INITIALIZER                                                                       \
  {                                                                                                \
    {'c', 'l', 'o', 'u', 'd', 'b', 'u', 'r', 's', 't', '-', 's', 't', 'a', 'm', 'p'},              \
      (uint32_t)sizeof(cb_stamp), CB_ABI_VERSION, __VERSION__, CB_SDK_VERSION                      \
  }

#define CB_EXPORT __attribute__((visibility("default")))

/* Bundles in C write CB_STAMP; once, at file level. The Swift SDK brings its own. */
#ifdef __cplusplus
#define CB_EXTERN extern "C"
#else
#define CB_EXTERN extern
#endif
#define CB_STAMP                                                                                   \
  CB_EXTERN CB_EXPORT const cb_stamp cloudburst_stamp;                                             \
  __attribute__((used)) const cb_stamp cloudburst_stamp = CB_STAMP_INITIALIZER

/* A literal as cb_text, in constant initialisers too. */
#define CB_TEXT(literal) {(literal), sizeof(literal) - 1}

/* The toolchain text of the code that was compiled with this header's CCloudburst.c. */
const char *cb_toolchain(void);

#ifdef __cplusplus
}
#endif
#endif
