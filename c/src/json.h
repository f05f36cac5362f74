/* The only file with cJSON behind it. Every text is scanned first (size, depth <= 64, \u0000, UTF-8, trailing garbage,
 * numbers that are not finite, how many values) and objects are searched for duplicate keys, because cJSON forgives all
 * of these. */
#ifndef HQ_JSON_H
#define HQ_JSON_H
#include <heroq/record.h>
#include <stdbool.h>

#include "buf.h"

extern const char hq_cjson_version[];
bool hq_utf8_ok(hq_slice s);
void hq_base64(hq_buf *out, hq_slice s);
void hq_json_string(hq_buf *out, hq_slice s); /* quoted and escaped; s must be UTF-8 */
/* Checks that text is an object whose values are strings (env_vars, hq_headers), or an array of ids. */
heroq_status hq_json_check_string_map(hq_slice text, const char *what, heroq_error *err);
heroq_status hq_json_check_id_list(hq_slice text, const char *what, heroq_error *err);
/* Adds or replaces name → value in a string map (`text` NONE: an empty one); the result is appended to out. */
heroq_status hq_json_map_set(hq_slice text, const char *name, const char *value, hq_buf *out, heroq_error *err);
/* The value of a name, newly allocated; NULL if not there or not valid. */
char *hq_json_map_get(hq_slice text, const char *name);
/* Adds an id to a list (NONE: an empty one) that does not have it yet. */
heroq_status hq_json_list_add(hq_slice text, const char *value, hq_buf *out, heroq_error *err);
/* A string map or an id list as a record or list; *out is NULL if text is neither. false: no memory. */
bool hq_json_record(hq_slice text, heroq_record **out);
/* Calls back for each member of a top-level object but nulls: text values as they are, {"base64": …} decoded (NONE when
 * that is not valid), others as JSON text. `raw` is the value as it was written. */
typedef heroq_status (*hq_json_member)(void *self, const char *name, hq_slice value, hq_slice raw, heroq_error *err);
heroq_status hq_json_members(hq_slice text, hq_json_member member, void *self, heroq_error *err);
#endif
