/* One character of UTF-8, by the strict rules: no overlong forms, no surrogates, nothing above U+10FFFF. */
#ifndef HQ_UTF8_H
#define HQ_UTF8_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The size of the character at s, into *character (may be NULL); 0 if there is none or it is not valid. */
static inline size_t hq_utf8_next(const char *s, size_t n, uint32_t *character) {
  if (!n) return 0;
  const unsigned char *u = (const unsigned char *)s;
  size_t size = u[0] < 0x80 ? 1 : u[0] < 0xc2 ? 0 : u[0] < 0xe0 ? 2 : u[0] < 0xf0 ? 3 : u[0] < 0xf5 ? 4 : 0;
  uint32_t c = size < 2 ? u[0] : u[0] & (0x7fu >> size);
  if (!size || size > n) return 0;
  for (size_t i = 1; i < size; i++) {
    if ((u[i] & 0xc0) != 0x80) return 0;
    c = c << 6 | (u[i] & 0x3f);
  }
  if ((size == 3 && (c < 0x800 || (c >= 0xd800 && c < 0xe000))) || (size == 4 && (c < 0x10000 || c > 0x10ffff)))
    return 0;
  if (character) *character = c;
  return size;
}
#endif
