/* JSON: a strict scan, then cJSON, and the few shapes that jobs need. */
#include "json.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "errors.h"
#include "keys_private.h"
#include "record_private.h"
#include "utf8.h"

const char hq_cjson_version[] = HQ_VERSION_TEXT(CJSON_VERSION_MAJOR, CJSON_VERSION_MINOR, CJSON_VERSION_PATCH);

enum { LARGEST_TEXT = 64 << 20, MOST_VALUES = 1 << 20, DEEPEST = 64, LONGEST_NUMBER = 60 };

/* ---- text ---- */

bool hq_utf8_ok(hq_slice s) {
  for (size_t i = 0, size; i < s.n; i += size) {
    uint64_t eight;
    if (s.n - i >= sizeof eight) {
      memcpy(&eight, s.p + i, size = sizeof eight);
      if (!(eight & 0x8080808080808080u)) continue;
    }
    if (!(size = hq_utf8_next(s.p + i, s.n - i, NULL))) return false;
  }
  return true;
}

static const char hex_digits[] = "0123456789abcdef";
static const char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void hq_base64(hq_buf *out, hq_slice s) {
  const unsigned char *p = (const unsigned char *)s.p;
  for (size_t i = 0; i < s.n; i += 3) {
    size_t left = s.n - i;
    uint32_t v = (uint32_t)p[i] << 16 | (left > 1 ? (uint32_t)p[i + 1] << 8 : 0) | (left > 2 ? p[i + 2] : 0);
    char four[4] = {base64_digits[v >> 18], base64_digits[v >> 12 & 63], left > 1 ? base64_digits[v >> 6 & 63] : '=',
                    left > 2 ? base64_digits[v & 63] : '='};
    hq_buf_add(out, four, sizeof four);
  }
}

/* Only the one way in which hq_base64 would write it. */
static bool base64_decode(hq_buf *out, hq_slice s) {
  if (s.n % 4) return false;
  for (size_t i = 0; i < s.n; i += 4) {
    bool last = i + 4 == s.n;
    size_t digits = last && s.p[i + 3] == '=' ? s.p[i + 2] == '=' ? 2 : 3 : 4;
    uint32_t v = 0;
    for (size_t j = 0; j < 4; j++) {
      const char *digit = j < digits ? memchr(base64_digits, s.p[i + j], 64) : base64_digits;
      if (!digit) return false;
      v = v << 6 | (uint32_t)(digit - base64_digits);
    }
    char three[3] = {(char)(v >> 16), (char)(v >> 8), (char)v};
    if (v & (digits == 2 ? 0xffffu : digits == 3 ? 0xffu : 0)) return false;
    hq_buf_add(out, three, digits - 1);
  }
  return true;
}

void hq_json_string(hq_buf *out, hq_slice s) {
  static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
  hq_buf_char(out, '"');
  for (size_t i = 0, plain; i < s.n; i += plain + 1) {
    plain = 0;
    while (i + plain < s.n && (unsigned char)s.p[i + plain] >= 0x20 && !strchr("\"\\", s.p[i + plain])) plain++;
    hq_buf_add(out, s.p + i, plain);
    if (i + plain == s.n) break;
    char c = s.p[i + plain];
    const char *known = c ? strchr(from, c) : NULL;
    if (known)
      hq_buf_add(out, (char[]){'\\', to[known - from]}, 2);
    else
      hq_buf_add(out, (char[]){'\\', 'u', '0', '0', hex_digits[c >> 4 & 15], hex_digits[c & 15]}, 6);
  }
  hq_buf_char(out, '"');
}

/* ---- the scan ---- */

typedef struct scan {
  const char *begin, *p, *end;
  int depth, values;
  const char *fault; /* what is wrong at p */
} scan;

static bool wrong(scan *s, const char *fault) {
  if (!s->fault) s->fault = fault;
  return false;
}

static void skip_blanks(scan *s) {
  while (s->p < s->end && (*s->p == ' ' || *s->p == '\t' || *s->p == '\n' || *s->p == '\r')) s->p++;
}

static bool next_is(scan *s, char c) {
  if (s->p == s->end || *s->p != c) return false;
  s->p++;
  return true;
}

static size_t digits(scan *s) {
  const char *from = s->p;
  while (s->p < s->end && *s->p >= '0' && *s->p <= '9') s->p++;
  return (size_t)(s->p - from);
}

/* Without a decimal point, so that the locale does not matter: 12.5e3 is read as 125e2. */
static bool finite_number(const char *from, const char *end) {
  char text[LONGEST_NUMBER + 24];
  size_t n = 0;
  int64_t exponent = 0, shift = 0;
  const char *p = from;
  for (bool point = false; p < end && *p != 'e' && *p != 'E'; p++) {
    if (*p == '.')
      point = true;
    else
      text[n++] = *p;
    shift += point && *p != '.';
  }
  if (p < end) {
    bool plus = p[1] == '+';
    if (!hq_slice_to_int64((hq_slice){p + 1 + plus, (size_t)(end - p) - 1 - plus}, &exponent)) return false;
  }
  if (exponent > 100000 || exponent < -100000) return exponent < 0;
  exponent -= shift;
  snprintf(text + n, sizeof text - n, "e%d", (int)exponent);
  return isfinite(strtod(text, NULL));
}

static bool scan_number(scan *s) {
  const char *from = s->p;
  next_is(s, '-');
  bool zero = s->p < s->end && *s->p == '0';
  size_t whole = digits(s);
  if (!whole || (zero && whole > 1)) return wrong(s, "not a number");
  if (next_is(s, '.') && !digits(s)) return wrong(s, "digits are missing after the point");
  if (next_is(s, 'e') || next_is(s, 'E')) {
    if (!next_is(s, '+')) next_is(s, '-');
    if (!digits(s)) return wrong(s, "digits are missing in the exponent");
  }
  if (s->p - from > LONGEST_NUMBER) return wrong(s, "the number is too long");
  return finite_number(from, s->p) || wrong(s, "the number is too large");
}

static bool scan_hex4(scan *s, uint32_t *out) {
  *out = 0;
  for (int i = 0; i < 4; i++) {
    const char *digit = s->p < s->end ? memchr(hex_digits, hq_lower(*s->p), 16) : NULL;
    if (!digit) return wrong(s, "\\u is followed by four hexadecimal digits");
    *out = *out << 4 | (uint32_t)(digit - hex_digits);
    s->p++;
  }
  return true;
}

static bool scan_escape(scan *s) {
  uint32_t first, second;
  if (!next_is(s, 'u')) {
    bool known = s->p < s->end && *s->p && strchr("\"\\/bfnrt", *s->p);
    s->p += known;
    return known || wrong(s, "no such escape");
  }
  if (!scan_hex4(s, &first)) return false;
  if (!first) return wrong(s, "\\u0000 is not allowed");
  if (first < 0xd800 || first > 0xdfff) return true;
  if (first > 0xdbff || !next_is(s, '\\') || !next_is(s, 'u') || !scan_hex4(s, &second) || second < 0xdc00 ||
      second > 0xdfff)
    return wrong(s, "half of a surrogate pair");
  return true;
}

static bool scan_string(scan *s) {
  if (!next_is(s, '"')) return wrong(s, "a string is expected");
  while (s->p < s->end) {
    size_t size = hq_utf8_next(s->p, (size_t)(s->end - s->p), NULL);
    if (!size) return wrong(s, "not valid UTF-8");
    if ((unsigned char)*s->p < 0x20) return wrong(s, "a control character in a string must be escaped");
    char c = *s->p;
    s->p += size;
    if (c == '"') return true;
    if (c == '\\' && !scan_escape(s)) return false;
  }
  return wrong(s, "a string has no end");
}

static bool scan_value(scan *s);

/* The members up to the closing character; `key`: an object's. */
static bool scan_members(scan *s, char close, bool key) {
  if (++s->depth > DEEPEST) return wrong(s, "nested more than 64 deep");
  skip_blanks(s);
  for (bool first = true; !next_is(s, close); first = false) {
    if (!first && !next_is(s, ',')) return wrong(s, key ? "',' or '}' is expected" : "',' or ']' is expected");
    skip_blanks(s);
    if (key) {
      if (!scan_string(s)) return false;
      skip_blanks(s);
      if (!next_is(s, ':')) return wrong(s, "':' is expected");
      skip_blanks(s);
    }
    if (!scan_value(s)) return false;
    skip_blanks(s);
  }
  s->depth--;
  return true;
}

static bool scan_word(scan *s, const char *word) {
  size_t n = strlen(word);
  if ((size_t)(s->end - s->p) < n || memcmp(s->p, word, n)) return wrong(s, "a value is expected");
  s->p += n;
  return true;
}

static bool scan_value(scan *s) {
  if (++s->values > MOST_VALUES) return wrong(s, "too many values");
  if (next_is(s, '{')) return scan_members(s, '}', true);
  if (next_is(s, '[')) return scan_members(s, ']', false);
  switch (s->p < s->end ? *s->p : 0) {
  case '"': return scan_string(s);
  case 't': return scan_word(s, "true");
  case 'f': return scan_word(s, "false");
  case 'n': return scan_word(s, "null");
  default: return scan_number(s);
  }
}

static bool scan_all(scan *s) {
  skip_blanks(s);
  if (!scan_value(s)) return false;
  skip_blanks(s);
  return s->p == s->end || wrong(s, "something stands behind the end");
}

static scan scan_of(hq_slice text) { return (scan){.begin = text.p, .p = text.p, .end = text.p + text.n}; }

/* ---- cJSON ---- */

static int compare_keys(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* HEROQ_E_JSON and *twice if an object has a key twice. Sorted, so that a hostile object costs no square time. */
static heroq_status find_duplicate(const cJSON *node, const char **twice) {
  size_t n = 0;
  heroq_status status = HEROQ_OK;
  for (const cJSON *c = node->child; c && !status; c = c->next, n++) status = find_duplicate(c, twice);
  if (status || n < 2 || !cJSON_IsObject(node)) return status;
  const char **keys = malloc(n * sizeof *keys);
  if (!keys) return HEROQ_E_NOMEM;
  n = 0;
  for (const cJSON *c = node->child; c; c = c->next) keys[n++] = c->string;
  qsort(keys, n, sizeof *keys, compare_keys);
  for (size_t i = 1; i < n && !status; i++)
    if (!strcmp(keys[i - 1], keys[i])) {
      *twice = keys[i];
      status = HEROQ_E_JSON;
    }
  free(keys);
  return status;
}

static heroq_status parse(hq_slice text, const char *what, cJSON **out, heroq_error *err) {
  *out = NULL;
  if (text.n > LARGEST_TEXT)
    return hq_fail(err, HEROQ_E_TOO_BIG, "%s: JSON of %zu bytes, at most %d are read", what, text.n, LARGEST_TEXT);
  scan s = scan_of(text.p ? text : (hq_slice){"", 0});
  if (!scan_all(&s))
    return hq_fail(err, HEROQ_E_JSON, "%s: not valid JSON at byte %zu: %s", what, (size_t)(s.p - s.begin), s.fault);
  cJSON *root = cJSON_ParseWithLength(text.p, text.n);
  const char *twice = "";
  heroq_status status = root ? find_duplicate(root, &twice) : HEROQ_E_NOMEM;
  if (status == HEROQ_E_JSON)
    hq_fail(err, status, "%s: the key \"%.80s\" stands twice in an object", what, twice);
  else if (status)
    hq_fail_nomem(err);
  else
    *out = root;
  if (status) cJSON_Delete(root);
  return status;
}

/* ---- the shapes ---- */

/* Strings all through: an object, or an array of ids. */
static heroq_status check_shape(const cJSON *root, bool map, const char *what, heroq_error *err) {
  if (map ? !cJSON_IsObject(root) : !cJSON_IsArray(root))
    return hq_fail(err, HEROQ_E_JSON, "%s must be a JSON %s of %s", what, map ? "object" : "array",
                   map ? "strings" : "job ids");
  for (const cJSON *c = root->child; c; c = c->next) {
    if (!cJSON_IsString(c))
      return hq_fail(err, HEROQ_E_JSON, "%s: %s%.80s%s is no string", what, map ? "\"" : "",
                     map ? c->string : "an item", map ? "\"" : "");
    if (!map && !hq_wire_id_ok(hq_slice_of(c->valuestring)))
      return hq_fail(err, HEROQ_E_JSON, "%s: \"%.80s\" is no job id", what, c->valuestring);
  }
  return HEROQ_OK;
}

/* text NONE gives an empty object or array. */
static heroq_status parse_shape(hq_slice text, bool map, const char *what, cJSON **out, heroq_error *err) {
  heroq_status status = parse(text.p ? text : hq_slice_of(map ? "{}" : "[]"), what, out, err);
  if (!status && (status = check_shape(*out, map, what, err))) {
    cJSON_Delete(*out);
    *out = NULL;
  }
  return status;
}

static heroq_status check(hq_slice text, bool map, const char *what, heroq_error *err) {
  cJSON *root;
  heroq_status status = parse_shape(text, map, what, &root, err);
  cJSON_Delete(root);
  return status;
}

heroq_status hq_json_check_string_map(hq_slice text, const char *what, heroq_error *err) {
  return check(text, true, what, err);
}

heroq_status hq_json_check_id_list(hq_slice text, const char *what, heroq_error *err) {
  return check(text, false, what, err);
}

static heroq_status print(cJSON *root, bool complete, hq_buf *out, heroq_error *err) {
  char *text = complete ? cJSON_PrintUnformatted(root) : NULL;
  cJSON_Delete(root);
  if (text) hq_buf_text(out, text);
  bool failed = !text || out->failed;
  cJSON_free(text);
  return failed ? hq_fail_nomem(err) : HEROQ_OK;
}

heroq_status hq_json_map_set(hq_slice text, const char *name, const char *value, hq_buf *out, heroq_error *err) {
  cJSON *root;
  if (!hq_utf8_ok(hq_slice_of(name)) || !hq_utf8_ok(hq_slice_of(value)))
    return hq_fail(err, HEROQ_E_INVALID, "\"%.80s\": name and value must be UTF-8 text", name);
  heroq_status status = parse_shape(text, true, "the map", &root, err);
  if (status) return status;
  cJSON *known = cJSON_GetObjectItemCaseSensitive(root, name);
  bool complete =
      known ? cJSON_SetValuestring(known, value) != NULL : cJSON_AddStringToObject(root, name, value) != NULL;
  return print(root, complete, out, err);
}

char *hq_json_map_get(hq_slice text, const char *name) {
  cJSON *root;
  if (!text.p || parse_shape(text, true, "the map", &root, NULL)) return NULL;
  const cJSON *item = cJSON_GetObjectItemCaseSensitive(root, name);
  char *value = item ? hq_strdup(item->valuestring) : NULL;
  cJSON_Delete(root);
  return value;
}

heroq_status hq_json_list_add(hq_slice text, const char *value, hq_buf *out, heroq_error *err) {
  cJSON *root;
  heroq_status status = parse_shape(text, false, "the list", &root, err);
  if (status) return status;
  for (const cJSON *c = root->child; c; c = c->next)
    if (!strcmp(c->valuestring, value)) return print(root, true, out, err);
  cJSON *item = cJSON_CreateString(value);
  bool complete = item && cJSON_AddItemToArray(root, item);
  if (!complete) cJSON_Delete(item);
  return print(root, complete, out, err);
}

bool hq_json_record(hq_slice text, heroq_record **out) {
  cJSON *root = NULL;
  bool map = true;
  *out = NULL;
  heroq_status status = text.p ? parse_shape(text, map, "", &root, NULL) : HEROQ_E_JSON;
  if (text.p && status == HEROQ_E_JSON) status = parse_shape(text, map = false, "", &root, NULL);
  if (status) return status != HEROQ_E_NOMEM;
  heroq_record *r = map ? hq_record_new() : hq_record_list();
  for (const cJSON *c = root->child; c; c = c->next) hq_record_add_text(r, map ? c->string : "", c->valuestring);
  cJSON_Delete(root);
  return hq_record_finish(r, out, NULL) == HEROQ_OK;
}

/* ---- members ---- */

static bool is_base64(const cJSON *node) {
  const cJSON *only = cJSON_IsObject(node) ? node->child : NULL;
  return only && !only->next && cJSON_IsString(only) && !strcmp(only->string, "base64");
}

static heroq_status give_member(const cJSON *c, hq_slice raw, hq_json_member member, void *self, heroq_error *err) {
  if (cJSON_IsNull(c)) return HEROQ_OK;
  if (cJSON_IsString(c)) return member(self, c->string, hq_slice_of(c->valuestring), raw, err);
  if (!is_base64(c)) return member(self, c->string, raw, raw, err);
  hq_buf bytes = {0};
  bool valid = base64_decode(&bytes, hq_slice_of(c->child->valuestring));
  hq_buf_cstr(&bytes);
  heroq_status status = bytes.failed
                            ? hq_fail_nomem(err)
                            : member(self, c->string, valid ? (hq_slice){bytes.p, bytes.n} : HQ_SLICE_NONE, raw, err);
  hq_buf_free(&bytes);
  return status;
}

heroq_status hq_json_members(hq_slice text, hq_json_member member, void *self, heroq_error *err) {
  cJSON *root;
  heroq_status status = parse(text, "the job", &root, err);
  if (!status && !cJSON_IsObject(root)) status = hq_fail(err, HEROQ_E_JSON, "a job is a JSON object");
  /* The text is walked beside the tree: cJSON would give numbers back changed. */
  scan s = scan_of(text);
  const cJSON *c = status ? NULL : root->child;
  for (; c && !status; c = c->next) {
    skip_blanks(&s);
    s.p++; /* '{' or ',' */
    skip_blanks(&s);
    scan_string(&s);
    skip_blanks(&s);
    s.p++; /* ':' */
    skip_blanks(&s);
    const char *from = s.p;
    scan_value(&s);
    status = give_member(c, (hq_slice){from, (size_t)(s.p - from)}, member, self, err);
  }
  cJSON_Delete(root);
  return status;
}
