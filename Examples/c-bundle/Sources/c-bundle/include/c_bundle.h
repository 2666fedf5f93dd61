#ifndef C_BUNDLE_H
#define C_BUNDLE_H

#include "cloudburst.h"

/* What a host looks up by name after loading the bundle. */
CB_EXPORT const cb_bundle *cloudburst_bundle(void);

#endif
