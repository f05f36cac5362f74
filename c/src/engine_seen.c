/* The actor says that it is there, and what it does: for people and tools. */
#include <string.h>

#include "engine.h"
#include "json.h"
#include "process.h"

#define SEEN_MS 10000
#define JOBS_MOST 16 /* ids that it names */

static void add_number(hq_buf *b, const char *name, int64_t v) {
  hq_buf_text(b, ",\"");
  hq_buf_text(b, name);
  hq_buf_text(b, "\":");
  hq_buf_int(b, v);
}

/* The jobs of this queue that handlers have. Under the lock; it is looked at all that the actor holds, each ten seconds. */
static int64_t add_jobs(hq_buf *b, const hq_source *s) {
  int64_t running = 0, now = hq_mono_us();
  for (const hq_held *h = hq_map_next(&s->held, NULL); h; h = hq_map_next(&s->held, &h->by_id)) {
    if (!hq_held_is_out(h) || ++running > JOBS_MOST) continue;
    hq_buf_text(b, running > 1 ? ",{\"id\":" : "{\"id\":");
    hq_json_string(b, h->id);
    add_number(b, "ms", (now - h->given_us) / 1000);
    hq_buf_char(b, '}');
  }
  return running;
}

static void put_seen(heroq_actor *a, const hq_source *s) {
  hq_buf b = {0};
  hq_buf_add(&b, a->about, strlen(a->about) - 1); /* its last brace comes later */
  hq_buf_text(&b, ",\"jobs\":[");
  pthread_mutex_lock(&a->lock);
  int64_t running = add_jobs(&b, s), held = a->held, finished = a->finished, failed = a->failed;
  int64_t takes = (int64_t)(a->rate * 1000), idle = hq_mono_ms() - a->rate_since;
  pthread_mutex_unlock(&a->lock);
  hq_buf_char(&b, ']');
  add_number(&b, "running", running);
  add_number(&b, "held", held);
  add_number(&b, "finished", finished);
  add_number(&b, "failed", failed);
  add_number(&b, "takes_per_second", idle > 1000 ? 0 : takes);
  add_number(&b, "rss", hq_resident_bytes());
  hq_buf_char(&b, '}');
  if (b.failed)
    a->items--; /* no memory now: it stays known for three times as long */
  else
    hq_put_seen(&a->batch, &s->keys, a->name, (hq_slice){b.p, b.n}, 3 * SEEN_MS);
  hq_buf_free(&b);
}

void hq_seen_put(heroq_actor *a, hq_source *s, int64_t now) {
  s->seen_at = now + hq_jitter(SEEN_MS);
  if (a->about && *a->about && hq_engine_item(a, HQ_OP_SEEN, s, NULL)) put_seen(a, s);
  if (hq_engine_item(a, HQ_OP_PLAIN, s, NULL)) hq_put_register(&a->batch, s->keys.key[HQ_Q], hq_wall_ms());
}
