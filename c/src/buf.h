/* A growable byte buffer. An append that finds no memory sets `failed` and later ones do nothing: check once at the end. */
#ifndef HQ_BUF_H
#define HQ_BUF_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A version in macros as text, by the compiler. */
#define HQ_TEXT_OF(x) #x
#define HQ_VERSION_TEXT(major, minor, patch) HQ_TEXT_OF(major) "." HQ_TEXT_OF(minor) "." HQ_TEXT_OF(patch)

/* Bytes of somebody else. p NULL: there are none (an empty value has p set and n 0). */
typedef struct hq_slice {
  const char *p;
  size_t n;
} hq_slice;
#define HQ_SLICE_NONE ((hq_slice){NULL, 0})
hq_slice hq_slice_of(const char *text); /* NULL gives HQ_SLICE_NONE */
bool hq_slice_is(hq_slice s, const char *text);
char hq_lower(char c); /* ASCII only, whatever the locale says */
/* A whole decimal int64, no blanks, no sign but '-'. */
bool hq_slice_to_int64(hq_slice s, int64_t *out);

typedef struct hq_buf {
  char *p;
  size_t n, cap;
  bool failed;
} hq_buf;
void hq_buf_add(hq_buf *b, const void *data, size_t n);
void hq_buf_text(hq_buf *b, const char *text);
void hq_buf_char(hq_buf *b, char c);
void hq_buf_int(hq_buf *b, int64_t v);
char *hq_buf_room(hq_buf *b, size_t n); /* n bytes to write into; the caller then adds to b->n. NULL: failed */
const char *hq_buf_cstr(hq_buf *b);     /* NUL-terminated; "" if failed */
void hq_buf_free(hq_buf *b);            /* and zero: usable again */

char *hq_strdup(const char *s);            /* NULL stays NULL */
char *hq_strndup(const char *s, size_t n); /* n bytes and a NUL; s may hold NULs */
void hq_wipe(void *p, size_t n);           /* zeroes, whatever the optimizer thinks */
void hq_wipe_free(char *secret);           /* wipes a text and frees it; takes NULL */
#endif
