#include "cloudburst.h"

/*
 * Compiled into every bundle that links the SDK, with the same toolchain as its Swift code, so its
 * compiler text names that toolchain. Weak: a bundle in C that writes CB_STAMP itself wins.
 */
extern CB_EXPORT const cb_stamp cloudburst_stamp;
__attribute__((used, weak)) const cb_stamp cloudburst_stamp = CB_STAMP_INITIALIZER;

const char *cb_toolchain(void) { return __VERSION__; }
