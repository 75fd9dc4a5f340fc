/* The version, from the build file. */
#include <sinkscope.h>

const char *ss_version(void) { return SS_VERSION; }
