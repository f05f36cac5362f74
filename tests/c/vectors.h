/* Reading tests/vectors with cJSON. A value in them is text, {"base64": …} for bytes, or null. */
#ifndef TESTS_VECTORS_H
#define TESTS_VECTORS_H
#include "support.h"

#include <cjson/cJSON.h>

#include "buf.h"

static inline cJSON *vectors_load(const char *file) {
  char *text = test_read_vectors(file);
  cJSON *root = cJSON_Parse(text);
  free(text);
  if (!root) fail_msg("%s is no JSON", file);
  return root;
}

/* The end of a group whose state is what vectors_load gave. */
static inline int vectors_free(void **state) {
  cJSON_Delete(*state);
  return 0;
}

/* The cases of a part of the file; there must be some. */
static inline const cJSON *vectors_cases(const cJSON *root, const char *part) {
  const cJSON *cases = cJSON_GetObjectItemCaseSensitive(root, part);
  if (!cases || !cases->child) fail_msg("no cases in %s", part);
  return cases;
}

static inline const cJSON *vector_get(const cJSON *c, const char *name) {
  return cJSON_GetObjectItemCaseSensitive(c, name);
}

/* The text of a member; NULL if it is not there or null. */
static inline const char *vector_text(const cJSON *c, const char *name) {
  return cJSON_GetStringValue(vector_get(c, name));
}

/* The status that a case wants: that of its member "error", else HEROQ_OK. */
static inline heroq_status vector_status(const cJSON *c) {
  const char *name = vector_text(c, "error");
  heroq_status status = HEROQ_OK;
  for (int32_t i = 0; name && heroq_status_at(i, &status) == HEROQ_OK; i++)
    if (!strcmp(heroq_status_name(status), name)) return status;
  if (name) fail_msg("no status %s", name);
  return HEROQ_OK;
}

static inline int vector_digit(char c) {
  const char *digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", *at = strchr(digits, c);
  return c && at ? (int)(at - digits) : 0;
}

/* A value's bytes, NUL-terminated, to be freed; NULL for null. */
static inline char *vector_bytes(const cJSON *value, size_t *size) {
  const cJSON *base64 = vector_get(value, "base64");
  const char *text = cJSON_GetStringValue(base64 ? base64 : value);
  *size = 0;
  if (!text) return NULL;
  size_t n = strlen(text);
  char *out = malloc(n + 1), *p = out;
  assert_non_null(out);
  if (base64) {
    for (size_t i = 0; i + 3 < n; i += 4) {
      int v = vector_digit(text[i]) << 18 | vector_digit(text[i + 1]) << 12 | vector_digit(text[i + 2]) << 6 |
              vector_digit(text[i + 3]);
      for (int shift = 16; shift >= 0; shift -= 8) *p++ = (char)(v >> shift);
    }
    n = (size_t)(p - out) - (n && text[n - 1] == '=') - (n && text[n - 2] == '=');
  } else {
    memcpy(out, text, n);
  }
  out[n] = 0;
  *size = n;
  return out;
}

static inline void assert_bytes_are(const heroq_bytes *bytes, const char *text) {
  assert_non_null(bytes);
  assert_int_equal(heroq_bytes_size(bytes), strlen(text));
  assert_string_equal(heroq_bytes_data(bytes), text);
}
#endif
