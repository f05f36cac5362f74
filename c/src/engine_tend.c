/* What keeps a queue healthy: leases, stop requests, delayed jobs, the dead, and the time that jobs may take. */
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "errors.h"

#define PROMOTE_MS 1000
#define WATCH_MS 2500    /* who promotes is expected again before that */
#define EACH_MS 100      /* for each actor of the queue, idle ones look so much later whether the watch is over, */
#define LATER_MOST 10000 /* at most */
#define PROMOTE_MOST 128 /* what the script bears */
#define REAP_MOST 100
#define BEAT_MOST 128
#define RETRY_PROMOTE_MS 5

static int64_t earlier(int64_t a, int64_t b) { return a < b ? a : b; }

/* ---- single questions about a job ---- */

static void ask(heroq_actor *a, int op, hq_held *h) {
  if (a->asks == a->ask_cap) {
    uint32_t cap = a->ask_cap ? a->ask_cap * 2 : 16;
    hq_ask *grown = realloc(a->ask, cap * sizeof *grown);
    if (!grown) return; /* the next BEAT tells again */
    a->ask = grown;
    a->ask_cap = cap;
  }
  atomic_fetch_add(&h->refs, 1);
  a->ask[a->asks++] = (hq_ask){op, h};
}

static void put_asks(heroq_actor *a) {
  for (uint32_t i = 0; i < a->asks; i++) {
    hq_held *h = a->ask[i].held;
    if (!hq_engine_item(a, a->ask[i].op, h->source, h)) {
      hq_held_unref(h);
      continue;
    }
    switch (a->ask[i].op) {
    case HQ_OP_STOP_LOOK: hq_put_await(&a->batch, h->job_key, HQ_SLICE_NONE); break;
    case HQ_OP_CTL_CANCEL: hq_put_cancel(&a->batch, h->job_key); break;
    default: hq_put_ctl_remove(&a->batch, h->source->ctl_key, h->id); break;
    }
  }
  a->asks = 0;
}

/* Under the lock. */
static bool take_out_of_ready(heroq_actor *a, const hq_held *h) {
  bool found = false;
  hq_list rest;
  hq_list_init(&rest);
  for (hq_held *i; (i = hq_list_pop(&a->ready));)
    if (i == h)
      found = true;
    else
      hq_list_push(&rest, i);
  hq_list_splice(&a->ready, &rest);
  hq_engine_update_fd(a);
  return found;
}

static void set_payload(hq_held *h, const char *text) {
  char *copy = hq_strdup(text);
  h->payload = (hq_slice){copy, copy ? strlen(copy) : 0};
}

/* Somebody asked the job to stop, and its hash says so. */
static void stop_held(heroq_actor *a, hq_held *h) {
  bool ready = false;
  pthread_mutex_lock(&a->lock);
  if (h->stage == HQ_ST_READY && !h->given)
    ready = take_out_of_ready(a, h); /* no handler saw it: ended by giving it back */
  pthread_mutex_unlock(&a->lock);
  if (ready) {
    h->settle = HQ_BY_ENGINE;
    if (a->config.canonical) set_payload(h, "cancelled"); /* the request is nowhere else: pushed back it would run */
    hq_settle_work(a, h, a->config.canonical ? HQ_ST_FAIL : HQ_ST_UNCLAIM);
    return;
  }
  int none = HEROQ_STOP_NONE;
  if (atomic_compare_exchange_strong(&h->stop_reason, &none, HEROQ_STOP_REQUESTED)) hq_engine_event(a, "stop", h);
}

/* ---- commands ---- */

typedef struct beat_batch {
  hq_idtok pair[BEAT_MOST];
  uint32_t n, first;
} beat_batch;

static void put_beat(heroq_actor *a, hq_source *s, beat_batch *b) {
  hq_item *item = b->n ? hq_engine_item(a, HQ_OP_BEAT, s, NULL) : NULL;
  if (item) {
    item->first = b->first;
    item->count = b->n;
    hq_put_beat(&a->batch, &s->keys, a->config.lease, b->pair, b->n);
  }
  b->first = a->listed_count;
  b->n = 0;
}

static void put_beats(heroq_actor *a, hq_source *s) {
  beat_batch b = {.n = 0, .first = a->listed_count};
  for (hq_held *h = hq_map_next(&s->held, NULL); h; h = hq_map_next(&s->held, &h->by_id)) {
    if (!hq_engine_list(a, h)) return;
    b.pair[b.n++] = (hq_idtok){h->id, h->token};
    if (b.n == BEAT_MOST) put_beat(a, s, &b);
  }
  put_beat(a, s, &b);
}

static bool same_type_before(const heroq_actor *a, const hq_source *s) {
  for (const hq_source *o = a->source; o < s; o++)
    if (strcmp(o->ctl_key, s->ctl_key) == 0) return true;
  return false;
}

static bool type_held(const heroq_actor *a, const hq_source *s) {
  for (uint32_t i = 0; i < a->sources; i++)
    if (a->source[i].held.count && strcmp(a->source[i].ctl_key, s->ctl_key) == 0) return true;
  return false;
}

static void put_beat_turn(heroq_actor *a, int64_t now) {
  a->beat_at = now + a->config.beat;
  for (uint32_t i = 0; i < a->sources; i++) {
    hq_source *s = &a->source[i];
    if (s->held.count && !a->config.canonical) put_beats(a, s);
    if (type_held(a, s) && !same_type_before(a, s) && hq_engine_item(a, HQ_OP_CTL_LOOK, s, NULL))
      hq_put_ctl_look(&a->batch, s->ctl_key);
  }
}

void hq_tend_put(heroq_actor *a, int64_t now) {
  if (now >= a->beat_at) put_beat_turn(a, now);
  put_asks(a);
  hq_intents_put(a);
  hq_tally_put(a, now);
  for (uint32_t i = 0; i < a->sources; i++) {
    hq_source *s = &a->source[i];
    if (now >= s->seen_at) hq_seen_put(a, s, now);
    if (a->config.canonical) continue;
    if (now >= s->mine_at && hq_engine_item(a, HQ_OP_MINE, s, NULL)) {
      hq_put_mine(&a->batch, &s->keys, a->name);
      s->mine_at = s->mine_again ? now + 1000 : HQ_NEVER; /* a zombie TAKE may run after the first look */
      s->mine_again = false;
    }
    if (now >= s->promote_at && hq_engine_item(a, HQ_OP_PROMOTE, s, NULL)) {
      hq_put_promote(&a->batch, &s->keys, PROMOTE_MOST, a->name, a->drain_seen ? 0 : WATCH_MS);
      s->promote_at = now + hq_jitter(PROMOTE_MS);
    }
    if (now >= s->reap_at && hq_engine_item(a, HQ_OP_REAP, s, NULL)) {
      hq_reap how = {.batch = REAP_MOST,
                     .max_recoveries = a->config.max_recoveries,
                     .backoff = a->config.backoff,
                     .interval = a->config.reap_every,
                     .lease = a->config.lease,
                     .handoff_grace = a->config.handoff_grace};
      hq_put_reap(&a->batch, &s->keys, a->name, &how);
      if (hq_engine_item(a, HQ_OP_INTENTS, s, NULL)) hq_put_intents(&a->batch, &s->keys, a->config.lease, REAP_MOST);
      s->reap_at = now + hq_jitter(a->config.reap_every);
    }
  }
}

int64_t hq_tend_next(const heroq_actor *a) {
  int64_t at = HQ_NEVER;
  if (a->held) at = a->beat_at;
  for (uint32_t i = 0; i < a->sources; i++) {
    const hq_source *s = &a->source[i];
    at = earlier(at, earlier(s->seen_at, hq_tally_next(s)));
    if (!a->config.canonical) at = earlier(earlier(at, s->mine_at), earlier(s->promote_at, s->reap_at));
  }
  return at;
}

/* ---- answers ---- */

void hq_tend_lost(heroq_actor *a, hq_held *h) {
  bool ready = false, out;
  pthread_mutex_lock(&a->lock);
  out = hq_held_is_out(h);
  if (h->stage == HQ_ST_READY && !h->given) ready = take_out_of_ready(a, h);
  if (out || ready) {
    h->lost = true;
    a->lost++;
    hq_waitq_wake_all(&a->noters);
  }
  hq_engine_update_fd(a);
  pthread_mutex_unlock(&a->lock);
  if (!out && !ready) { /* a command of it is under way: the server will refuse it */
    hq_held_untable(h);
    return;
  }
  if (out) {
    atomic_store(&h->stop_reason, HEROQ_STOP_LOST);
    hq_engine_event(a, "lost", h);
  }
  hq_held_drop(h);
}

static void beat_answer(heroq_actor *a, const hq_item *item, const hq_reply *r) {
  hq_source *s = item->source;
  hq_beat beat;
  if (!hq_get_beat(r, &beat)) {
    heroq_error err;
    hq_reply_to_error(r, s->keys.key[HQ_Q].p, &err);
    hq_client_event(a->client, HQ_WARNING, err.code, "heartbeat: %s", err.text);
    a->beat_at = hq_mono_ms() + a->config.beat / 4 + 1;
    return;
  }
  /* lost ones first: what is dropped must not be touched below */
  for (uint32_t i = 0; i < item->count; i++) atomic_store(&a->listed[item->first + i]->renewed_at, a->sent_at);
  for (uint32_t i = 0; i < hq_reply_count(beat.lost); i++) {
    hq_held *h = hq_held_find(s, hq_reply_str(hq_reply_at(beat.lost, i)));
    if (h) hq_tend_lost(a, h);
  }
  for (uint32_t i = 0; i < hq_reply_count(beat.stop); i++) {
    hq_held *h = hq_held_find(s, hq_reply_str(hq_reply_at(beat.stop, i)));
    if (h && atomic_load(&h->stop_reason) == HEROQ_STOP_NONE && h->stage == HQ_ST_READY) ask(a, HQ_OP_STOP_LOOK, h);
  }
  if (!beat.paused && s->paused) s->look_at = 0;
  pthread_mutex_lock(&a->lock);
  hq_engine_offer(a); /* withheld while the lease was in doubt */
  pthread_mutex_unlock(&a->lock);
}

static void ctl_answer(heroq_actor *a, const hq_item *item, const hq_reply *r) {
  for (uint32_t i = 0; i < hq_reply_count(r); i++) {
    hq_slice id = hq_reply_str(hq_reply_at(r, i));
    for (uint32_t j = 0; id.p && j < a->sources; j++) {
      hq_source *s = &a->source[j];
      hq_held *h = strcmp(s->ctl_key, item->source->ctl_key) == 0 ? hq_held_find(s, id) : NULL;
      if (!h || h->stage != HQ_ST_READY) continue;
      if (a->config.canonical) { /* no token in the hash: the request is all there is */
        stop_held(a, h);
        ask(a, HQ_OP_CTL_REMOVE, h);
      } else
        ask(a, HQ_OP_CTL_CANCEL, h);
    }
  }
}

static void cancel_answer(heroq_actor *a, const hq_item *item, const hq_reply *r) {
  hq_held *h = item->held;
  hq_cancel c;
  if (!hq_get_cancel(r, &c)) return; /* the id is still on the list: the next look asks again */
  if (h->tabled && c.verdict == 2) stop_held(a, h);
  ask(a, HQ_OP_CTL_REMOVE, h);
}

static void stop_look_answer(heroq_actor *a, const hq_item *item, const hq_reply *r) {
  hq_awaited seen;
  if (item->held->tabled && hq_get_awaited(r, &seen) && hq_slice_is(seen.status, HEROQ_STATUS_STOPPING))
    stop_held(a, item->held);
}

static void mine_answer(heroq_actor *a, const hq_item *item, const hq_reply *r) {
  hq_source *s = item->source;
  for (uint32_t i = 0; 2 * i + 1 < hq_reply_count(r); i++) {
    hq_idtok pair = hq_get_pair(r, 0, i);
    if (!pair.id.p || !pair.token.p || hq_held_find(s, pair.id)) continue;
    hq_held *h = hq_held_new(s, pair.id, pair.token, a->sent_at);
    if (!h) return;
    a->incoming++;
    hq_settle_work(a, h, HQ_ST_CLAIM);
  }
}

static void reap_answer(heroq_actor *a, const hq_item *item, const hq_reply *r) {
  hq_source *s = item->source;
  heroq_error err;
  /* it looks at all keys of the queue: the one that tells which of them is wrong */
  if (hq_reply_to_error(r, s->keys.key[HQ_Q].p, &err) == HEROQ_E_WRONG_TYPE)
    hq_client_event(a->client, HQ_WARNING, err.code, "reap: %s", err.text);
  hq_tally_count(s, HQ_TALLY_LOST, hq_reply_int(hq_reply_at(r, 0), 0));
  for (uint32_t i = 0; 2 * i + 3 < hq_reply_count(r); i++) {
    hq_idtok pair = hq_get_pair(r, 2, i);
    if (!pair.id.p || !pair.token.p) continue;
    hq_held *known = hq_held_find(s, pair.id);
    if (known) hq_tend_lost(a, known);
    hq_held *h = hq_held_new(s, pair.id, pair.token, a->sent_at);
    if (!h) return; /* the next reaper gets it */
    h->settle = HQ_BY_ENGINE;
    hq_settle_work(a, h, HQ_ST_KILL);
  }
}

void hq_tend_promote_in(hq_source *s, int64_t ms) {
  s->promote_at = earlier(s->promote_at, hq_mono_ms() + ms + RETRY_PROMOTE_MS);
}

void hq_tend_took(hq_source *s) {
  if (!s->took_lately) s->promote_at = earlier(s->promote_at, hq_mono_ms() + hq_jitter(PROMOTE_MS));
  s->took_lately = true;
}

void hq_tend_leave(hq_source *s) {
  if (s->watches) s->promote_at = 0;
}

static void promote_answer(const hq_item *item, const hq_reply *r) {
  hq_source *s = item->source;
  int64_t promoted = hq_reply_int(hq_reply_at(r, 0), 0), next = hq_reply_int(hq_reply_at(r, 1), -1);
  int64_t watched = hq_reply_int(hq_reply_at(r, 2), 0), later = EACH_MS * s->actors;
  bool rests = watched > 0 && !s->took_lately;
  s->watches = r->type == HQ_ARRAY && !watched && !s->actor->drain_seen;
  s->took_lately = false;
  if (promoted >= PROMOTE_MOST)
    s->promote_at = 0;
  else if (rests)
    s->promote_at = hq_mono_ms() + watched + hq_jitter(later < LATER_MOST ? later : LATER_MOST);
  else if (next >= 0)
    hq_tend_promote_in(s, next);
}

void hq_tend_answer(heroq_actor *a, const hq_item *item, const hq_reply *r) {
  switch (item->op) {
  case HQ_OP_BEAT: beat_answer(a, item, r); break;
  case HQ_OP_MINE: mine_answer(a, item, r); break;
  case HQ_OP_REAP: reap_answer(a, item, r); break;
  case HQ_OP_PROMOTE: promote_answer(item, r); break;
  case HQ_OP_SEEN: item->source->actors = hq_reply_int(r, 0); break;
  case HQ_OP_CTL_LOOK: ctl_answer(a, item, r); break;
  case HQ_OP_CTL_CANCEL: cancel_answer(a, item, r); break;
  case HQ_OP_STOP_LOOK: stop_look_answer(a, item, r); break;
  case HQ_OP_INTENTS:
  case HQ_OP_INTENT_LOOK: hq_intents_answer(a, item, r); break;
  default: break;
  }
}

/* ---- the time that jobs may take ---- */

static void hard_timeout(heroq_actor *a, hq_held *h) {
  bool mine = false;
  pthread_mutex_lock(&a->lock);
  if (h->settle == HQ_UNSETTLED) {
    mine = true;
    h->settle = HQ_BY_ENGINE;
    h->settled_us = hq_mono_us();
    h->slot_lost = true;
    a->lost_slots++;
    if (h->occupies) a->out--;
    h->occupies = false;
    set_payload(h, "timeout");
    if (a->config.max_stuck && a->lost_slots >= a->config.max_stuck && !a->stuck_told) {
      a->stuck_told = true;
      hq_waitq_wake_all(&a->takers);
    }
    hq_engine_update_fd(a);
  }
  pthread_mutex_unlock(&a->lock);
  if (!mine) return;
  hq_engine_event(a, "stuck", h);
  hq_settle_work(a, h, HQ_ST_FAIL);
}

void hq_tend_timeouts(heroq_actor *a, int64_t now) {
  pthread_mutex_lock(&a->lock);
  bool due = now >= a->timeout_at;
  if (due) a->timeout_at = HQ_NEVER;
  pthread_mutex_unlock(&a->lock);
  if (!due) return;
  int64_t next = HQ_NEVER;
  for (hq_held *h = hq_held_next(a, NULL); h; h = hq_held_next(a, h)) {
    pthread_mutex_lock(&a->lock);
    bool out = hq_held_is_out(h);
    int64_t soft = h->soft_at, hard = h->hard_at;
    if (out && now >= soft) h->soft_at = HQ_NEVER;
    pthread_mutex_unlock(&a->lock);
    if (!out) continue;
    int none = HEROQ_STOP_NONE;
    if (now >= soft && atomic_compare_exchange_strong(&h->stop_reason, &none, HEROQ_STOP_TIMEOUT))
      hq_engine_event(a, "timeout", h);
    if (now >= hard)
      hard_timeout(a, h);
    else
      next = earlier(next, earlier(now >= soft ? HQ_NEVER : soft, hard));
  }
  pthread_mutex_lock(&a->lock);
  a->timeout_at = earlier(a->timeout_at, next);
  pthread_mutex_unlock(&a->lock);
}

void hq_tend_strict(heroq_actor *a, int64_t now) {
  for (hq_held *h = hq_held_next(a, NULL); h; h = hq_held_next(a, h)) {
    pthread_mutex_lock(&a->lock);
    bool running = hq_held_is_out(h);
    pthread_mutex_unlock(&a->lock);
    int none = HEROQ_STOP_NONE;
    if (running && now - atomic_load(&h->renewed_at) >= a->config.lease &&
        atomic_compare_exchange_strong(&h->stop_reason, &none, HEROQ_STOP_LOST))
      hq_engine_event(a, "lost", h);
  }
}
