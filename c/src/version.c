/* The version, and what this build can do. */
#include <heroq/base.h>
#include <string.h>

#include "tls.h"

#define TEXT_OF(x) #x
#define VERSION_TEXT(major, minor, patch) TEXT_OF(major) "." TEXT_OF(minor) "." TEXT_OF(patch)

int32_t heroq_version(void) { return HEROQ_VERSION; }

const char *heroq_version_text(void) {
  return VERSION_TEXT(HEROQ_VERSION_MAJOR, HEROQ_VERSION_MINOR, HEROQ_VERSION_PATCH);
}

int32_t heroq_feature(const char *name) {
  return name && (!strcmp(name, "unix") || (hq_tls_built && !strcmp(name, "tls")));
}
