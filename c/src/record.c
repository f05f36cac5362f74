/* Bytes and records: what functions answer, and how it is built. */
#include <inttypes.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "errors.h"
#include "json.h"
#include "record_private.h"

struct heroq_bytes {
  size_t n;
  char *p;
};

static heroq_status bytes_of(char *owned, size_t n, heroq_bytes **out, heroq_error *err) {
  heroq_bytes *b = owned ? malloc(sizeof *b) : NULL;
  if (!b) {
    free(owned);
    return hq_fail_nomem(err);
  }
  *b = (heroq_bytes){n, owned};
  *out = b;
  return hq_ok(err);
}

heroq_status heroq_bytes_new(const void *data, size_t size, heroq_bytes **out, heroq_error *err) {
  if (!out || (!data && size))
    return hq_fail(err, HEROQ_E_INVALID, "heroq_bytes_new: %s is NULL", out ? "data" : "out");
  *out = NULL;
  return bytes_of(hq_strndup(data, size), size, out, err);
}

heroq_status hq_bytes_slice(hq_slice s, heroq_bytes **out, heroq_error *err) {
  return heroq_bytes_new(s.p, s.n, out, err);
}

heroq_status hq_bytes_take(hq_buf *b, heroq_bytes **out, heroq_error *err) {
  hq_buf_cstr(b);
  hq_buf taken = *b;
  *b = (hq_buf){0};
  *out = NULL;
  if (taken.failed) {
    hq_buf_free(&taken);
    return hq_fail_nomem(err);
  }
  return bytes_of(taken.p, taken.n, out, err);
}

const void *heroq_bytes_data(const heroq_bytes *self) { return self ? self->p : NULL; }

size_t heroq_bytes_size(const heroq_bytes *self) { return self ? self->n : 0; }

void heroq_bytes_free(heroq_bytes *self) {
  if (!self) return;
  free(self->p);
  free(self);
}

typedef struct value {
  char *name; /* owned; the bytes of TEXT and BYTES stand behind it in the same piece of memory */
  int32_t kind;
  union {
    int64_t integer;
    double real;
    hq_slice bytes;
    heroq_record *child;
  };
} value;

struct heroq_record {
  atomic_int refs;
  bool list, failed;
  int32_t count, cap;
  value *v;
};

static heroq_record *record_new(bool list) {
  heroq_record *r = calloc(1, sizeof *r);
  if (r) {
    atomic_init(&r->refs, 1);
    r->list = list;
  }
  return r;
}

heroq_record *hq_record_new(void) { return record_new(false); }

heroq_record *hq_record_list(void) { return record_new(true); }

static bool grow(heroq_record *r) {
  if (r->count < r->cap) return true;
  int32_t cap = r->cap ? r->cap : 4;
  if (cap > INT32_MAX / 2) return false;
  cap = r->cap ? cap * 2 : cap;
  value *v = realloc(r->v, (size_t)cap * sizeof *v);
  if (!v) return false;
  r->v = v;
  r->cap = cap;
  return true;
}

/* A new value with room for n bytes behind its name; NULL: no memory, which the record remembers. */
static value *add(heroq_record *r, const char *name, int32_t kind, size_t n) {
  if (!r || r->failed) return NULL;
  size_t name_size = strlen(r->list ? (name = "") : name) + 1, size;
  char *memory = __builtin_add_overflow(name_size + 1, n, &size) || !grow(r) ? NULL : malloc(size);
  if (!memory) {
    r->failed = true;
    return NULL;
  }
  memcpy(memory, name, name_size);
  value *v = &r->v[r->count++];
  *v = (value){.name = memory, .kind = kind};
  return v;
}

void hq_record_add_int(heroq_record *r, const char *name, int64_t integer) {
  value *v = add(r, name, HEROQ_VALUE_INT64, 0);
  if (v) v->integer = integer;
}

void hq_record_add_double(heroq_record *r, const char *name, double real) {
  value *v = add(r, name, HEROQ_VALUE_DOUBLE, 0);
  if (v) v->real = real;
}

static void add_bytes(heroq_record *r, const char *name, int32_t kind, hq_slice s) {
  value *v = add(r, name, kind, s.n);
  if (!v) return;
  char *to = v->name + strlen(v->name) + 1;
  if (s.n) memcpy(to, s.p, s.n);
  to[s.n] = 0;
  v->bytes = (hq_slice){to, s.n};
}

void hq_record_add_slice(heroq_record *r, const char *name, hq_slice s) {
  bool text = hq_utf8_ok(s) && !(s.n && memchr(s.p, 0, s.n));
  add_bytes(r, name, text ? HEROQ_VALUE_TEXT : HEROQ_VALUE_BYTES, s);
}

void hq_record_add_text(heroq_record *r, const char *name, const char *text) {
  hq_record_add_slice(r, name, hq_slice_of(text ? text : ""));
}

void hq_record_add_bytes(heroq_record *r, const char *name, hq_slice s) { add_bytes(r, name, HEROQ_VALUE_BYTES, s); }

void hq_record_add_child(heroq_record *r, const char *name, heroq_record *child) {
  bool lost = !child || child->failed;
  value *v = lost ? NULL : add(r, name, child->list ? HEROQ_VALUE_LIST : HEROQ_VALUE_RECORD, 0);
  if (v) {
    v->child = child;
    return;
  }
  if (r) r->failed = true;
  heroq_record_free(child);
}

heroq_status hq_record_finish(heroq_record *r, heroq_record **out, heroq_error *err) {
  *out = NULL;
  if (!r || r->failed) {
    heroq_record_free(r);
    return hq_fail_nomem(err);
  }
  *out = r;
  return hq_ok(err);
}

static const value *at(const heroq_record *self, int32_t i) {
  return self && i >= 0 && i < self->count ? &self->v[i] : NULL;
}

int32_t heroq_record_count(const heroq_record *self) { return self ? self->count : 0; }

const char *heroq_record_name(const heroq_record *self, int32_t i) {
  const value *v = at(self, i);
  return v ? v->name : NULL;
}

int32_t heroq_record_kind(const heroq_record *self, int32_t i) {
  const value *v = at(self, i);
  return v ? v->kind : HEROQ_VALUE_NONE;
}

int32_t heroq_record_find(const heroq_record *self, const char *name) {
  if (self && name && !self->list)
    for (int32_t i = 0; i < self->count; i++)
      if (!strcmp(self->v[i].name, name)) return i;
  return -1;
}

int64_t heroq_record_int64(const heroq_record *self, int32_t i) {
  const value *v = at(self, i);
  if (v && v->kind == HEROQ_VALUE_INT64) return v->integer;
  if (!v || v->kind != HEROQ_VALUE_DOUBLE || isnan(v->real)) return 0;
  return v->real >= 0x1p63 ? INT64_MAX : v->real < -0x1p63 ? INT64_MIN : (int64_t)v->real;
}

double heroq_record_double(const heroq_record *self, int32_t i) {
  const value *v = at(self, i);
  return !v ? 0 : v->kind == HEROQ_VALUE_DOUBLE ? v->real : v->kind == HEROQ_VALUE_INT64 ? (double)v->integer : 0;
}

const char *heroq_record_text(const heroq_record *self, int32_t i) {
  const value *v = at(self, i);
  return v && v->kind == HEROQ_VALUE_TEXT ? v->bytes.p : "";
}

const void *heroq_record_bytes(const heroq_record *self, int32_t i, size_t *size) {
  const value *v = at(self, i);
  bool has = v && (v->kind == HEROQ_VALUE_TEXT || v->kind == HEROQ_VALUE_BYTES);
  if (size) *size = has ? v->bytes.n : 0;
  return has ? v->bytes.p : NULL;
}

static bool is_child(const value *v) { return v->kind == HEROQ_VALUE_RECORD || v->kind == HEROQ_VALUE_LIST; }

heroq_status heroq_record_child(const heroq_record *self, int32_t i, heroq_record **out, heroq_error *err) {
  if (out) *out = NULL;
  if (!self || !out) return hq_fail(err, HEROQ_E_INVALID, "heroq_record_child: %s is NULL", self ? "out" : "record");
  const value *v = at(self, i);
  if (!v || !is_child(v)) return hq_fail(err, HEROQ_E_NOT_FOUND, "value %d is no child record", (int)i);
  atomic_fetch_add(&v->child->refs, 1);
  *out = v->child;
  return hq_ok(err);
}

/* As short as it can be read back exactly, and with a point whatever the locale says. */
static void json_double(hq_buf *b, double real) {
  char text[40];
  if (!isfinite(real)) {
    hq_buf_text(b, "null");
    return;
  }
  for (int digits = 15; digits <= 17; digits++) {
    snprintf(text, sizeof text, "%.*g", digits, real);
    if (strtod(text, NULL) == real) break;
  }
  for (char *p = text; *p; p++) hq_buf_char(b, strchr("0123456789+-e", *p) ? *p : '.');
}

static void json_record(hq_buf *b, const heroq_record *r);

static void json_value(hq_buf *b, const value *v) {
  switch (v->kind) {
  case HEROQ_VALUE_INT64: hq_buf_int(b, v->integer); break;
  case HEROQ_VALUE_DOUBLE: json_double(b, v->real); break;
  case HEROQ_VALUE_TEXT: hq_json_string(b, v->bytes); break;
  case HEROQ_VALUE_BYTES:
    if (hq_utf8_ok(v->bytes) && !memchr(v->bytes.p, 0, v->bytes.n)) {
      hq_json_string(b, v->bytes);
    } else {
      hq_buf_text(b, "{\"base64\":\"");
      hq_base64(b, v->bytes);
      hq_buf_text(b, "\"}");
    }
    break;
  default: json_record(b, v->child);
  }
}

static void json_record(hq_buf *b, const heroq_record *r) {
  hq_buf_char(b, r->list ? '[' : '{');
  for (int32_t i = 0; i < r->count; i++) {
    if (i) hq_buf_char(b, ',');
    if (!r->list) {
      hq_json_string(b, hq_slice_of(r->v[i].name));
      hq_buf_char(b, ':');
    }
    json_value(b, &r->v[i]);
  }
  hq_buf_char(b, r->list ? ']' : '}');
}

heroq_status heroq_record_json(const heroq_record *self, heroq_bytes **out, heroq_error *err) {
  if (out) *out = NULL;
  if (!self || !out) return hq_fail(err, HEROQ_E_INVALID, "heroq_record_json: %s is NULL", self ? "out" : "record");
  hq_buf b = {0};
  json_record(&b, self);
  return hq_bytes_take(&b, out, err);
}

void heroq_record_free(heroq_record *self) {
  if (!self || atomic_fetch_sub(&self->refs, 1) != 1) return;
  for (int32_t i = 0; i < self->count; i++) {
    if (is_child(&self->v[i])) heroq_record_free(self->v[i].child);
    free(self->v[i].name);
  }
  free(self->v);
  free(self);
}
