#include "failmalloc.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#ifdef FAILMALLOC_WRAP
#define OURS(name) __wrap_##name
#define REAL(name) __real_##name
#else
#define OURS(name) name
#define REAL(name) __libc_##name
#endif

void *REAL(malloc)(size_t n);
void *REAL(calloc)(size_t count, size_t n);
void *REAL(realloc)(void *p, size_t n);
void *OURS(malloc)(size_t n);
void *OURS(calloc)(size_t count, size_t n);
void *OURS(realloc)(void *p, size_t n);

static atomic_long left, row, failed, live;

void failmalloc_arm(long k, long times) {
  atomic_store(&left, 0);
  atomic_store(&row, times);
  if (k) atomic_store(&failed, 0);
  atomic_store(&left, k);
}

long failmalloc_failed(void) { return atomic_load(&failed); }

long failmalloc_live(void) {
#ifdef FAILMALLOC_WRAP
  return 0;
#else
  return atomic_load(&live);
#endif
}

static bool fails(void) {
  if (atomic_load(&left) <= 0) return false;
  if (atomic_fetch_sub(&left, 1) > 1) return false;
  if (atomic_fetch_sub(&row, 1) > 1) atomic_store(&left, 1);
  atomic_fetch_add(&failed, 1);
  errno = ENOMEM;
  return true;
}

void *OURS(malloc)(size_t n) {
  void *p = fails() ? NULL : REAL(malloc)(n);
  if (p) atomic_fetch_add(&live, 1);
  return p;
}

void *OURS(calloc)(size_t count, size_t n) {
  void *p = fails() ? NULL : REAL(calloc)(count, n);
  if (p) atomic_fetch_add(&live, 1);
  return p;
}

void *OURS(realloc)(void *p, size_t n) {
  void *q = fails() ? NULL : REAL(realloc)(p, n);
  if (q && !p) atomic_fetch_add(&live, 1);
  return q;
}

#ifndef FAILMALLOC_WRAP
void __libc_free(void *p);
void free(void *p) {
  if (p) atomic_fetch_sub(&live, 1);
  __libc_free(p);
}
#endif
