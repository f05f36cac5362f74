/* Noting submitted jobs in the index: the ids, and under each tag and caller the jobs that have it. */
#include "index.h"

#include <stdlib.h>
#include <string.h>

#include "delivery.h"
#include "errors.h"
#include "keys_private.h"
#include "map.h"
#include "tags.h"

/* The jobs of one tag or caller. */
typedef struct drawer {
  hq_map_node node;
  uint32_t n, cap;
  hq_slice *id;
  char key[];
} drawer;

static hq_slice id_of(const heroq_job *job) { return hq_job_slice(job, HQ_F_JOB_ID); }

/* Without memory it is not noted. */
static drawer *drawer_of(hq_map *all, const char *prefix, hq_slice name) {
  char key[sizeof HQ_INDEX_CALLER_PREFIX + HQ_CALLER_MOST];
  size_t n = strlen(prefix);
  memcpy(key, prefix, n);
  memcpy(key + n, name.p, name.n);
  n += name.n;
  drawer *d = hq_map_find(all, (hq_slice){key, n});
  if (d) return d;
  d = calloc(1, sizeof *d + n);
  if (!d) return NULL;
  memcpy(d->key, key, n);
  hq_map_add(all, &d->node, (hq_slice){d->key, n}, d);
  return d;
}

static void lay(hq_map *all, const char *prefix, hq_slice name, hq_slice id) {
  drawer *d = drawer_of(all, prefix, name);
  if (!d) return;
  if (d->n == d->cap) {
    uint32_t cap = d->cap ? d->cap * 2 : 8;
    hq_slice *grown = realloc(d->id, cap * sizeof *grown);
    if (!grown) return;
    d->id = grown;
    d->cap = cap;
  }
  d->id[d->n++] = id;
}

static void lay_one(hq_map *all, const heroq_job *job) {
  hq_slice caller = hq_job_slice(job, HQ_F_CALLER_ID), tags = hq_job_slice(job, HQ_F_HQ_TAGS);
  if (caller.n && caller.n <= HQ_CALLER_MOST) lay(all, HQ_INDEX_CALLER_PREFIX, caller, id_of(job));
  for (hq_slice tag; hq_tags_next(&tags, &tag);) lay(all, HQ_INDEX_TAG_PREFIX, tag, id_of(job));
}

static uint32_t piece(uint32_t n) { return n < HQ_INDEX_MOST ? n : HQ_INDEX_MOST; }

static void put_drawer(const hq_starts *how, hq_batch *b, const drawer *d) {
  for (uint32_t i = 0, n; i < d->n; i += n) {
    n = piece(d->n - i);
    hq_put_file(b, d->node.key, how->index_keep, how->index_size, n);
    for (uint32_t k = 0; k < n; k++) hq_batch_slice(b, d->id[i + k]);
  }
}

void hq_index_put(heroq_client *c, hq_batch *b, heroq_job *const *job, uint32_t count) {
  const hq_starts *how = hq_client_starts(c);
  hq_map all;
  if (!how->index || !count || !hq_map_init(&all)) return;
  for (uint32_t i = 0, n; i < count; i += n) {
    n = piece(count - i);
    hq_put_index(b, how->index_keep, how->index_size, n);
    for (uint32_t k = 0; k < n; k++) hq_batch_slice(b, id_of(job[i + k]));
  }
  for (uint32_t i = 0; i < count; i++) lay_one(&all, job[i]);
  for (drawer *d; (d = hq_map_pop(&all)) != NULL;) {
    put_drawer(how, b, d);
    free(d->id);
    free(d);
  }
  hq_map_free(&all);
}

bool hq_index_refused(const hq_batch *b, uint32_t from, uint32_t to, heroq_error *why) {
  for (uint32_t i = from; i < to; i++)
    if (hq_reply_to_error(hq_batch_reply(b, i), "the index", why)) return true;
  return false;
}

void hq_index_answer(heroq_client *c, const hq_batch *b, uint32_t from, uint32_t to) {
  heroq_error why;
  if (hq_index_refused(b, from, to, &why)) hq_client_event(c, HQ_WARNING, why.code, "%s", why.text);
}
