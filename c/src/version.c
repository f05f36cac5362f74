/* The version, and what this build can do. */
#include <heroq/base.h>
#include <string.h>

#include "conn.h"
#include "json.h"
#include "tls.h"

int32_t heroq_version(void) { return HEROQ_VERSION; }

const char *heroq_version_text(void) {
  return HQ_VERSION_TEXT(HEROQ_VERSION_MAJOR, HEROQ_VERSION_MINOR, HEROQ_VERSION_PATCH);
}

int32_t heroq_feature(const char *name) {
  return name && (!strcmp(name, "unix") || (hq_tls_built && !strcmp(name, "tls")));
}

const char *heroq_library_version(const char *name) {
  if (!name) return NULL;
  if (!strcmp(name, "hiredis")) return hq_hiredis_version;
  if (!strcmp(name, "cjson")) return hq_cjson_version;
  return strcmp(name, "openssl") ? NULL : hq_tls_version();
}
