/* Pieces of memory in a chain, the newest first. */
#include "arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>

#define PIECE 16384u
#define KEEP 262144u

typedef struct piece {
  struct piece *older;
  size_t cap, used;
  alignas(max_align_t) char data[];
} piece;

struct hq_arena {
  piece *newest;
};

static piece *add_piece(hq_arena *a, size_t n) {
  size_t cap = a->newest && a->newest->cap < KEEP ? a->newest->cap * 2 : PIECE;
  if (cap < n) cap = n;
  if (cap > SIZE_MAX - sizeof(piece)) return NULL;
  piece *p = malloc(sizeof *p + cap);
  if (!p) return NULL;
  p->older = a->newest;
  p->cap = cap;
  p->used = 0;
  return a->newest = p;
}

void *hq_arena_take(hq_arena **a, size_t n) {
  if (!*a && !(*a = calloc(1, sizeof **a))) return NULL;
  if (n > SIZE_MAX - 64) return NULL;
  n = (n + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
  piece *p = (*a)->newest;
  if (!p || p->cap - p->used < n) p = add_piece(*a, n);
  if (!p) return NULL;
  void *at = p->data + p->used;
  p->used += n;
  return at;
}

static void drop(hq_arena *a, piece *keep) {
  for (piece *p = a->newest, *older; p; p = older) {
    older = p->older;
    if (p != keep) free(p);
  }
  a->newest = keep;
  if (keep) {
    keep->older = NULL;
    keep->used = 0;
  }
}

void hq_arena_reset(hq_arena *a) {
  if (a) drop(a, a->newest && a->newest->cap <= KEEP ? a->newest : NULL);
}

void hq_arena_free(hq_arena *a) {
  if (!a) return;
  drop(a, NULL);
  free(a);
}
