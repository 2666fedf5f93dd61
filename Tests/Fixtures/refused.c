/* A small sound bundle; each macro breaks it in one way. */
#include "cloudburst.h"

#ifndef VERSION
#define VERSION CB_ABI_VERSION
#endif
#ifndef TOOLCHAIN
#define TOOLCHAIN "C"
#endif
#ifndef DESCRIPTOR
#define DESCRIPTOR &bundle
#endif
#ifndef FIRST
#define FIRST "first-of-two"
#endif
#ifndef COUNT
#define COUNT 2
#endif

const cb_stamp cloudburst_stamp = {
  {'c', 'l', 'o', 'u', 'd', 'b', 'u', 'r', 's', 't', '-', 's', 't', 'a', 'm', 'p'},
  sizeof(cb_stamp), VERSION, TOOLCHAIN, ""};

#ifdef UNDEFINED
int cb_no_such_symbol(void);
#endif

static cb_outcome echo(const cb_host *host, const cb_invocation *i) {
#ifdef UNDEFINED
  if (cb_no_such_symbol()) return CB_FAILED;
#endif
  return host->result(host, i->call, &i->arguments[0]) == CB_OK ? CB_DONE : CB_FAILED;
}

#define FUNCTION(variable, name) \
  static const cb_function variable = {sizeof(cb_function), 0, CB_TEXT(name), \
    CB_TEXT("(Int) -> Int"), 1, 1, echo, NULL};
FUNCTION(f0, FIRST)
FUNCTION(f1, "second-of-two")
static const cb_function *const functions[] = {&f0, &f1};
static const cb_bundle bundle = {sizeof(cb_bundle), CB_ABI_VERSION, CB_TEXT("refused"),
  CB_TEXT(""), CB_TEXT(""), COUNT, functions, NULL};
const cb_bundle *cloudburst_bundle(void) { return DESCRIPTOR; }
