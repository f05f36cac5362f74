/* A hash table of nodes that live in their owners' structs, by a key of bytes; and a heap of timers, likewise. */
#ifndef HQ_MAP_H
#define HQ_MAP_H
#include "buf.h"

typedef struct hq_map_node {
  struct hq_map_node *next;
  uint64_t hash;
  hq_slice key; /* the owner's memory */
  void *owner;
} hq_map_node;
typedef struct hq_map {
  hq_map_node **bucket;
  uint32_t cap, count;
  uint64_t seed;
} hq_map;
bool hq_map_init(hq_map *m);                      /* false: no memory */
void hq_map_free(hq_map *m);                      /* the nodes are their owners' */
void *hq_map_find(const hq_map *m, hq_slice key); /* the owner, or NULL */
/* The key must not be there. Never fails: without memory for a larger table the chains get longer. */
void hq_map_add(hq_map *m, hq_map_node *node, hq_slice key, void *owner);
void hq_map_remove(hq_map *m, hq_map_node *node);
/* Takes out any one, for emptying; NULL when empty. */
void *hq_map_pop(hq_map *m);
/* The owner behind a node that is in the map, NULL begins; NULL is the end. Nothing may be added or removed between. */
void *hq_map_next(const hq_map *m, const hq_map_node *after);

typedef struct hq_timer {
  int64_t at;
  uint32_t place; /* 1 and up; 0: not in the heap */
  void *owner;
} hq_timer;
typedef struct hq_heap {
  hq_timer **timer;
  uint32_t count, cap;
} hq_heap;
/* Sets or moves a timer; HQ_NEVER takes it out. Room must have been made for every timer that can be in the heap. */
bool hq_heap_reserve(hq_heap *h, uint32_t timers);
void hq_heap_set(hq_heap *h, hq_timer *t, int64_t at);
int64_t hq_heap_next(const hq_heap *h);     /* HQ_NEVER when empty */
void *hq_heap_due(hq_heap *h, int64_t now); /* takes out the owner of one that is due, or NULL */
void hq_heap_free(hq_heap *h);
#endif
