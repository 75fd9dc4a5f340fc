/* The version, from the build file. */
#include "base/version.h"

const char *version_text(void) { return SS_VERSION; }
