/* What ended in a queue, for people: counted as it comes, told once a second (c/PROTOCOL.md, 2.19). No job waits for it,
 * and without memory it is left out. */
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "errors.h"
#include "histogram.h"

#define TALLY_MS 1000
#define FINISHED_MOST 1024          /* in a second: above that the history is a sample */
#define FAILED_SOON 1024            /* so many do not wait for the second to end */
#define FAILED_MOST HQ_HISTORY_KEPT /* while the server refuses them: older ones would be cut off there */

typedef struct list {
  uint32_t n, cap;
  struct row {
    int64_t at; /* monotonic */
    uint32_t from, size;
  } * row;
  hq_buf text;
} list;

typedef struct part {
  int64_t count[HQ_TALLY_KINDS];
  hq_histogram waits, runs;
  list ended[2]; /* HQ_TALLY_FINISHED, HQ_TALLY_FAILED */
  bool any;
} part;

struct hq_tally {
  part now, sent; /* sent: until it is answered, then empty */
  int64_t n;      /* of what is sent, or was */
  int64_t at;     /* when the next is due; HQ_NEVER: nothing has ended */
  uint32_t open;  /* commands of it that are not answered */
  bool again;     /* one of them is to be sent again */
};

static hq_tally *tally_of(hq_source *s) {
  if (!s->tally && (s->tally = calloc(1, sizeof *s->tally)) != NULL) s->tally->at = HQ_NEVER;
  return s->tally;
}

static void empty(part *p) {
  for (int i = 0; i < 2; i++) {
    free(p->ended[i].row);
    hq_buf_free(&p->ended[i].text);
  }
  *p = (part){0};
}

void hq_tally_free(hq_tally *t) {
  if (!t) return;
  empty(&t->now);
  empty(&t->sent);
  free(t);
}

/* ---- as it comes ---- */

static part *begin(hq_source *s) {
  hq_tally *t = tally_of(s);
  if (!t) return NULL;
  if (t->at == HQ_NEVER) t->at = hq_mono_ms() + hq_jitter(TALLY_MS);
  t->now.any = true;
  return &t->now;
}

void hq_tally_count(hq_source *s, int kind, int64_t n) {
  part *p = n > 0 ? begin(s) : NULL;
  if (p) p->count[kind] += n;
}

void hq_tally_run(hq_held *h) {
  part *p = h->given_us && h->settled_us ? begin(h->source) : NULL;
  if (!p) return;
  hq_histogram_add(&p->runs, h->settled_us - h->given_us);
  if (h->due > 0) hq_histogram_add(&p->waits, (h->given_us / 1000 + h->actor->wall_ahead - h->due) * 1000);
}

static void add(list *l, uint32_t most, hq_slice id) {
  if (l->n >= most) return;
  if (l->n == l->cap) {
    uint32_t cap = l->cap ? l->cap * 2 : 64;
    struct row *grown = realloc(l->row, cap * sizeof *grown);
    if (!grown) return;
    l->row = grown;
    l->cap = cap;
  }
  l->row[l->n] = (struct row){hq_mono_ms(), (uint32_t)l->text.n, (uint32_t)id.n};
  hq_buf_add(&l->text, id.p, id.n);
  if (!l->text.failed) l->n++;
}

void hq_tally_end(hq_held *h, int kind) {
  part *p = begin(h->source);
  if (!p) return;
  p->count[kind]++;
  add(&p->ended[kind], kind == HQ_TALLY_FAILED ? FAILED_MOST : FINISHED_MOST, h->id);
  if (p->ended[HQ_TALLY_FAILED].n == FAILED_SOON && !h->source->tally->sent.any) h->source->tally->at = 0;
}

/* ---- commands ---- */

static hq_item *item(heroq_actor *a, hq_source *s, int op) {
  hq_item *i = hq_engine_item(a, op, s, NULL);
  if (i) s->tally->open++;
  return i;
}

static void put_counts(heroq_actor *a, hq_source *s) {
  const hq_tally *t = s->tally;
  hq_buf waits = {0}, runs = {0};
  hq_histogram_put(&t->sent.waits, &waits);
  hq_histogram_put(&t->sent.runs, &runs);
  if (!waits.failed && !runs.failed && item(a, s, HQ_OP_TALLY))
    hq_put_tally(&a->batch, &s->keys, a->name, t->n, t->sent.count, (hq_slice){waits.p ? waits.p : "", waits.n},
                 (hq_slice){runs.p ? runs.p : "", runs.n});
  hq_buf_free(&waits);
  hq_buf_free(&runs);
}

static void put_rows(heroq_actor *a, const list *l, uint32_t from, uint32_t n, int64_t now) {
  for (uint32_t i = from; i < from + n; i++) {
    hq_batch_int(&a->batch, now - l->row[i].at);
    hq_batch_slice(&a->batch, (hq_slice){l->text.p + l->row[i].from, l->row[i].size});
  }
}

static uint32_t at_most(uint32_t n, uint32_t most) { return n < most ? n : most; }

static void put_history(heroq_actor *a, hq_source *s, int64_t now) {
  const list *good = &s->tally->sent.ended[HQ_TALLY_FINISHED], *bad = &s->tally->sent.ended[HQ_TALLY_FAILED];
  for (uint32_t g = 0, b = 0; g < good->n || b < bad->n;) {
    uint32_t m = at_most(good->n - g, HQ_ENDED_MOST), k = at_most(bad->n - b, HQ_ENDED_MOST - m);
    if (!item(a, s, HQ_OP_ENDED)) return;
    hq_put_ended(&a->batch, &s->keys, m, m + k);
    put_rows(a, good, g, m, now);
    put_rows(a, bad, b, k, now);
    g += m;
    b += k;
  }
}

static void put(heroq_actor *a, hq_source *s, int64_t now) {
  hq_tally *t = s->tally;
  if (!t->sent.any) {
    t->sent = t->now;
    t->now = (part){0};
    t->n++;
  }
  t->at = HQ_NEVER;
  t->again = false;
  put_counts(a, s);
  put_history(a, s, now);
  if (!t->open) t->at = now + TALLY_MS; /* no memory now */
}

static bool due(const hq_source *s) { return s->tally && (s->tally->sent.any || s->tally->now.any); }

void hq_tally_put(heroq_actor *a, int64_t now) {
  if (now >= a->wall_at) {
    a->wall_ahead = hq_wall_ms() - now;
    a->wall_at = now + TALLY_MS;
  }
  for (uint32_t i = 0; i < a->sources; i++) {
    hq_source *s = &a->source[i];
    if (due(s) && !s->tally->open && (now >= s->tally->at || a->drain_seen)) put(a, s, now);
  }
}

int64_t hq_tally_next(const hq_source *s) { return s->tally && !s->tally->open ? s->tally->at : HQ_NEVER; }

bool hq_tally_waits(const heroq_actor *a) {
  for (uint32_t i = 0; a->connected && i < a->sources; i++)
    if (due(&a->source[i])) return true;
  return false;
}

/* ---- answers ---- */

/* All of it was answered: what was refused for now is sent again, beside what ended meanwhile. */
static void answered(heroq_actor *a, hq_tally *t) {
  if (!t->again || a->drain_seen) empty(&t->sent);
  if (t->sent.any || t->now.any) t->at = hq_mono_ms() + hq_jitter(TALLY_MS);
}

void hq_tally_answer(heroq_actor *a, const hq_item *item, const hq_reply *r) {
  hq_tally *t = item->source->tally;
  heroq_error err = {0};
  heroq_status code = r ? hq_reply_to_error(r, item->source->keys.key[HQ_Q].p, &err) : HEROQ_OK;
  if (code) hq_client_event(a->client, HQ_WARNING, code, "statistics: %s", err.text);
  if (!r || err.flags & HEROQ_RETRYABLE) t->again = true;
  if (--t->open == 0) answered(a, t);
}
