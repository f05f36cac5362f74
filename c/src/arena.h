/* Memory that is given back all at once: the replies of a batch. */
#ifndef HQ_ARENA_H
#define HQ_ARENA_H
#include <stddef.h>

typedef struct hq_arena hq_arena;
/* From *a, made when NULL. Aligned for any reply. NULL: no memory. */
void *hq_arena_take(hq_arena **a, size_t n);
void hq_arena_reset(hq_arena *a); /* keeps one small piece; NULL allowed */
void hq_arena_free(hq_arena *a);
#endif
