/* A chained hash table and a binary heap, both over nodes of others. */
#include "map.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"

/* ---- map ---- */

static uint64_t hash_of(const hq_map *m, hq_slice key) {
  uint64_t h = m->seed ^ 0xcbf29ce484222325u;
  for (size_t i = 0; i < key.n; i++) h = (h ^ (unsigned char)key.p[i]) * 0x100000001b3u;
  return h ^ h >> 29;
}

bool hq_map_init(hq_map *m) {
  *m = (hq_map){.cap = 16, .seed = hq_random()};
  m->bucket = calloc(m->cap, sizeof *m->bucket);
  return m->bucket != NULL;
}

void hq_map_free(hq_map *m) {
  free(m->bucket);
  *m = (hq_map){0};
}

void *hq_map_find(const hq_map *m, hq_slice key) {
  uint64_t hash = hash_of(m, key);
  for (hq_map_node *n = m->bucket[hash % m->cap]; n; n = n->next)
    if (n->hash == hash && n->key.n == key.n && memcmp(n->key.p, key.p, key.n) == 0) return n->owner;
  return NULL;
}

static void put(hq_map *m, hq_map_node *n) {
  hq_map_node **at = &m->bucket[n->hash % m->cap];
  n->next = *at;
  *at = n;
}

static void grow(hq_map *m) {
  hq_map_node **old = m->bucket;
  uint32_t cap = m->cap;
  hq_map_node **bucket = cap > UINT32_MAX / 4 ? NULL : calloc((size_t)cap * 2, sizeof *bucket);
  if (!bucket) return;
  m->bucket = bucket;
  m->cap = cap * 2;
  for (uint32_t i = 0; i < cap; i++)
    for (hq_map_node *n = old[i], *next; n; n = next) {
      next = n->next;
      put(m, n);
    }
  free(old);
}

void hq_map_add(hq_map *m, hq_map_node *node, hq_slice key, void *owner) {
  if (m->count >= m->cap) grow(m);
  *node = (hq_map_node){.hash = hash_of(m, key), .key = key, .owner = owner};
  put(m, node);
  m->count++;
}

void hq_map_remove(hq_map *m, hq_map_node *node) {
  hq_map_node **at = &m->bucket[node->hash % m->cap];
  while (*at != node) at = &(*at)->next;
  *at = node->next;
  m->count--;
}

void *hq_map_pop(hq_map *m) {
  for (uint32_t i = 0; m->count && i < m->cap; i++) {
    hq_map_node *n = m->bucket[i];
    if (!n) continue;
    m->bucket[i] = n->next;
    m->count--;
    return n->owner;
  }
  return NULL;
}

void *hq_map_next(const hq_map *m, const hq_map_node *after) {
  if (after && after->next) return after->next->owner;
  for (uint64_t i = after ? after->hash % m->cap + 1 : 0; i < m->cap; i++)
    if (m->bucket[i]) return m->bucket[i]->owner;
  return NULL;
}

/* ---- heap: place p has its children at 2p and 2p+1 ---- */

bool hq_heap_reserve(hq_heap *h, uint32_t timers) {
  if (timers < h->cap) return true;
  uint32_t cap = h->cap ? h->cap : 64;
  while (cap <= timers) {
    if (cap > UINT32_MAX / 2) return false;
    cap *= 2;
  }
  hq_timer **grown = realloc(h->timer, cap * sizeof *grown);
  if (!grown) return false;
  h->timer = grown;
  h->cap = cap;
  return true;
}

static void place(hq_heap *h, hq_timer *t, uint32_t p) {
  h->timer[p] = t;
  t->place = p;
}

static void settle(hq_heap *h, hq_timer *t, uint32_t p) {
  for (; p > 1 && h->timer[p / 2]->at > t->at; p /= 2) place(h, h->timer[p / 2], p);
  for (uint32_t child; (child = p * 2) <= h->count; p = child) {
    if (child < h->count && h->timer[child + 1]->at < h->timer[child]->at) child++;
    if (h->timer[child]->at >= t->at) break;
    place(h, h->timer[child], p);
  }
  place(h, t, p);
}

static void take_out(hq_heap *h, hq_timer *t) {
  uint32_t p = t->place;
  hq_timer *last = h->timer[h->count--];
  t->place = 0;
  if (last != t) settle(h, last, p);
}

void hq_heap_set(hq_heap *h, hq_timer *t, int64_t at) {
  t->at = at;
  if (at == HQ_NEVER) {
    if (t->place) take_out(h, t);
  } else
    settle(h, t, t->place ? t->place : ++h->count);
}

int64_t hq_heap_next(const hq_heap *h) { return h->count ? h->timer[1]->at : HQ_NEVER; }

void *hq_heap_due(hq_heap *h, int64_t now) {
  if (!h->count || h->timer[1]->at > now) return NULL;
  hq_timer *t = h->timer[1];
  take_out(h, t);
  return t->owner;
}

void hq_heap_free(hq_heap *h) {
  free(h->timer);
  *h = (hq_heap){0};
}
