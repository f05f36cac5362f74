/* Slices and the growable buffer: the only arithmetic on sizes of memory. */
#include "buf.h"

#include <stdlib.h>
#include <string.h>

hq_slice hq_slice_of(const char *text) { return text ? (hq_slice){text, strlen(text)} : HQ_SLICE_NONE; }

bool hq_slice_is(hq_slice s, const char *text) { return s.p && strlen(text) == s.n && !memcmp(s.p, text, s.n); }

char hq_lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c + 'a' - 'A') : c; }

bool hq_slice_to_int64(hq_slice s, int64_t *out) {
  size_t i = s.n && s.p[0] == '-';
  int64_t v = 0;
  if (i == s.n) return false;
  for (bool minus = i; i < s.n; i++) {
    int digit = s.p[i] - '0';
    if (digit < 0 || digit > 9 || __builtin_mul_overflow(v, 10, &v) ||
        (minus ? __builtin_sub_overflow(v, digit, &v) : __builtin_add_overflow(v, digit, &v)))
      return false;
  }
  *out = v;
  return true;
}

char *hq_buf_room(hq_buf *b, size_t n) {
  size_t want, cap = b->cap ? b->cap : 64;
  /* One byte more than asked for, so that hq_buf_cstr always finds room for its NUL. */
  if (b->failed || __builtin_add_overflow(b->n, n, &want) || __builtin_add_overflow(want, (size_t)1, &want) ||
      want > SIZE_MAX / 2) {
    b->failed = true;
    return NULL;
  }
  if (want > b->cap) {
    while (cap < want) cap *= 2;
    char *p = realloc(b->p, cap);
    if (!p) {
      b->failed = true;
      return NULL;
    }
    b->p = p;
    b->cap = cap;
  }
  return b->p + b->n;
}

void hq_buf_add(hq_buf *b, const void *data, size_t n) {
  char *to = hq_buf_room(b, n);
  if (!to) return;
  if (n) memcpy(to, data, n);
  b->n += n;
}

void hq_buf_text(hq_buf *b, const char *text) { hq_buf_add(b, text, strlen(text)); }

void hq_buf_char(hq_buf *b, char c) { hq_buf_add(b, &c, 1); }

void hq_buf_int(hq_buf *b, int64_t v) {
  char digits[20], *p = digits + sizeof digits;
  uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
  do *--p = (char)('0' + u % 10);
  while (u /= 10);
  if (v < 0) *--p = '-';
  hq_buf_add(b, p, (size_t)(digits + sizeof digits - p));
}

const char *hq_buf_cstr(hq_buf *b) {
  char *end = hq_buf_room(b, 0);
  if (!end) return "";
  *end = 0;
  return b->p;
}

void hq_buf_free(hq_buf *b) {
  free(b->p);
  *b = (hq_buf){0};
}

char *hq_strdup(const char *s) { return s ? hq_strndup(s, strlen(s)) : NULL; }

char *hq_strndup(const char *s, size_t n) {
  char *copy = n < SIZE_MAX ? malloc(n + 1) : NULL;
  if (!copy) return NULL;
  if (n) memcpy(copy, s, n);
  copy[n] = 0;
  return copy;
}

void hq_wipe(void *p, size_t n) {
  volatile char *byte = p;
  while (n--) *byte++ = 0;
}

void hq_wipe_free(char *secret) {
  if (secret) hq_wipe(secret, strlen(secret));
  free(secret);
}
