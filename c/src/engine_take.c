/* What comes in: how many jobs to take ahead, the blocked commands, TAKE and its answer, and jobs that nobody waits for. */
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "errors.h"
#include "keys_private.h"

#define AHEAD_MS 10      /* so much work is taken ahead, by the rate of takes */
#define RATE_STALE_MS 50 /* without a take for so long nothing is taken ahead */
#define TAKE_MOST 127    /* with a handoff id it is 128: what unpack and the script bear */

static const hq_slice no_token = {"", 0}; /* canonical */

/* ---- held jobs ---- */

hq_held *hq_held_find(const hq_source *s, hq_slice id) { return hq_map_find(&s->held, id); }

hq_held *hq_held_next(const heroq_actor *a, const hq_held *after) {
  const hq_source *s = after ? after->source : a->source, *end = a->source + a->sources;
  hq_held *h = after ? hq_map_next(&s->held, &after->by_id) : NULL;
  for (s += !!after; !h && s < end; s++) h = hq_map_next(&s->held, NULL);
  return h;
}

bool hq_held_is_out(const hq_held *h) { return h->stage == HQ_ST_READY && h->given && h->settle == HQ_UNSETTLED; }

hq_held *hq_held_new(hq_source *s, hq_slice id, hq_slice token, int64_t renewed_at) {
  static const char prefix[] = HQ_JOB_PREFIX;
  size_t head = sizeof prefix - 1;
  hq_held *h = calloc(1, sizeof *h + head + id.n + token.n + 2);
  if (!h) return NULL;
  char *p = h->text;
  memcpy(p, prefix, head);
  memcpy(p + head, id.p, id.n);
  memcpy(p + head + id.n + 1, token.p, token.n);
  h->job_key = p;
  h->id = (hq_slice){p + head, id.n};
  h->token = (hq_slice){p + head + id.n + 1, token.n};
  h->source = s;
  h->actor = s->actor;
  atomic_init(&h->refs, 1);
  h->number = ++s->actor->next_number;
  h->delay = -1;
  h->soft_at = h->hard_at = HQ_NEVER;
  atomic_init(&h->renewed_at, renewed_at);
  hq_map_add(&s->held, &h->by_id, h->id, h);
  h->tabled = true;
  pthread_mutex_lock(&s->actor->lock);
  s->actor->held++;
  pthread_mutex_unlock(&s->actor->lock);
  return h;
}

void hq_held_unref(hq_held *h) {
  if (atomic_fetch_sub(&h->refs, 1) != 1) return;
  if (h->job) {
    h->job->taken = NULL; /* it was never given out */
    heroq_job_free(h->job);
  }
  free((void *)h->payload.p);
  free((void *)h->asks.p);
  free((void *)h->reply_to.p);
  free((void *)h->reply_payload.p);
  free((void *)h->reason.p);
  free((void *)h->over.p);
  free((void *)h->look_queue.p);
  hq_notes_free(h->notes);
  free(h);
}

void hq_held_untable(hq_held *h) {
  if (!h->tabled) return;
  hq_map_remove(&h->source->held, &h->by_id);
  h->tabled = false;
}

void hq_held_drop(hq_held *h) {
  heroq_actor *a = h->actor;
  hq_held_untable(h);
  pthread_mutex_lock(&a->lock);
  a->held--;
  if (h->settle != HQ_UNSETTLED && h->settle != HQ_BY_ENGINE) {
    a->unsettled--;
    a->pending_bytes -= (int64_t)h->payload.n;
  }
  if (!h->outcome && !a->stop) h->outcome = -1; /* at the end of the thread it is in doubt instead */
  if (h->sync) hq_waitq_wake_all(&a->syncers);
  if (!a->held) hq_waitq_wake_all(&a->closers);
  pthread_mutex_unlock(&a->lock);
  hq_held_unref(h);
}

/* ---- how much to take ---- */

static bool fd_wants(const heroq_actor *a, int64_t now) {
  return a->fd_used && hq_engine_can_hand_out(a) && now >= a->fd_rest_until;
}

/* How long a ready job is kept: its taker comes, or may come, or nobody is there. */
static int64_t patience(const heroq_actor *a, int64_t now) {
  if (a->draining) return 0;
  if (hq_engine_can_hand_out(a) && (a->takers.count || now < a->wish_until)) return HQ_NEVER;
  return fd_wants(a, now) ? HQ_FD_SURPLUS_MS : HQ_SURPLUS_MS;
}

int32_t hq_take_room(heroq_actor *a, int64_t now) {
  int64_t room = 0;
  pthread_mutex_lock(&a->lock);
  if (!a->draining && !a->stop && a->pending_bytes < a->config.max_pending) {
    int32_t most = a->config.concurrency;
    int64_t demand = a->takers.count;
    if (fd_wants(a, now)) demand += most ? most - a->out : 1;
    if (!demand && now < a->wish_until) demand = 1;
    if (most && demand > most - a->out) demand = most > a->out ? most - a->out : 0;
    int64_t ahead = now - a->rate_since > RATE_STALE_MS ? 0 : (int64_t)(a->rate * AHEAD_MS);
    if (ahead > a->config.prefetch) ahead = a->config.prefetch;
    room = demand + ahead - a->ready.count - a->incoming;
  }
  pthread_mutex_unlock(&a->lock);
  return room < 0 ? 0 : (int32_t)room;
}

static void free_slice(hq_slice *s) {
  free((void *)s->p);
  *s = HQ_SLICE_NONE;
}

/* A suspect is taken alone: -1 nothing may be taken now, else what TAKE is told of what we hold. */
static int32_t empty_word(const heroq_actor *a, int64_t now) {
  if (a->alone) return -1;
  if (!a->held) return 1;
  if (!a->suspect_since) return 0;
  return now - a->suspect_since >= a->config.lease ? 2 : -1;
}

static bool put_take(heroq_actor *a, hq_source *s, int32_t n, int32_t empty) {
  hq_item *item = hq_engine_item(a, a->config.canonical ? HQ_OP_LPOP : HQ_OP_TAKE, s, NULL);
  if (!item) return false;
  item->asked = n;
  item->empty = empty;
  if (a->config.canonical)
    hq_put_lpop(&a->batch, s->keys.key[HQ_Q], n);
  else
    hq_put_take(&a->batch, &s->keys, a->name, a->config.lease, n, s->handoff_id, a->config.recheck, empty, false);
  s->taking = true;
  return true;
}

void hq_take_put(heroq_actor *a, int64_t now) {
  int32_t room = hq_take_room(a, now), empty = empty_word(a, now);
  for (uint32_t i = 0; i < a->sources; i++) {
    hq_source *s = &a->source[i];
    if (s->look_at > now) continue;
    if (empty < 0) {
      free_slice(&s->handoff_id); /* the reaper returns it: nothing may be held beside a suspect, or while one waits */
      continue;
    }
    if (s->handoff_id.p) {
      int32_t n = room < 1 ? 0 : room > TAKE_MOST ? TAKE_MOST : room - 1;
      if (!put_take(a, s, n, empty)) return;
      room -= n + 1;
    } else if (room > 0 && (s->maybe_more || s->paused)) {
      int32_t n = s->paused ? 1 : room > TAKE_MOST ? TAKE_MOST : room;
      if (!put_take(a, s, n, empty)) return;
      if (!s->paused) break; /* the queues behind it only when this one is empty */
      room -= n;
    } else
      continue;
    if (empty) empty = 0; /* only the first command of a pipeline can say that nothing is held */
  }
}

/* ---- answers ---- */

/* back: it came when nothing more may be held. */
static void adopt(hq_source *s, hq_slice id, hq_slice token, int64_t renewed_at, bool back) {
  heroq_actor *a = s->actor;
  hq_held *known = hq_held_find(s, id);
  if (known && a->config.canonical && known->stage == HQ_ST_UNCLAIM) {
    hq_held_untable(known); /* what it has pushed back comes round before that is answered */
  } else if (known) {
    if (known->token.n == token.n && memcmp(known->token.p, token.p, token.n) == 0) return; /* a copy of what I hold */
    hq_tend_lost(a, known);
  }
  hq_tend_took(s);
  hq_held *h = hq_held_new(s, id, token, renewed_at);
  if (!h) return; /* without memory the lease runs out: slower, not lost */
  pthread_mutex_lock(&a->lock);
  bool draining = a->draining;
  pthread_mutex_unlock(&a->lock);
  if (!hq_wire_id_ok(id) && a->config.canonical) {
    hq_client_event(a->client, HQ_WARNING, HEROQ_E_INVALID, "%s: not an id of a job, it is dropped", h->job_key);
    hq_held_drop(h);
  } else if (!hq_wire_id_ok(id))
    hq_settle_bury(h, "bad_id");
  else if ((draining || back) && !a->config.canonical)
    hq_settle_again(h, -1, HQ_AGAIN, 0, 0);
  else {
    a->incoming++;
    hq_settle_work(a, h, HQ_ST_CLAIM);
  }
}

static void refused(hq_source *s) {
  if (!atomic_load(&s->refused_since)) atomic_store(&s->refused_since, hq_mono_ms());
}

static void take_failed(hq_source *s, const hq_reply *r) {
  heroq_actor *a = s->actor;
  refused(s);
  heroq_error err;
  heroq_status code = hq_reply_to_error(r, s->keys.key[HQ_Q].p, &err);
  hq_client_event(a->client, HQ_WARNING, code, "take: %s", err.text);
  /* out of memory, or an ill queue: the others go on, and so do results */
  s->look_at = hq_mono_ms() + (code == HEROQ_E_WRONG_TYPE ? HQ_LOOK_MS : hq_backoff(&s->take_step, 50, 5000));
  if (a->drain_seen) free_slice(&s->handoff_id); /* the reaper returns it */
  if (code != HEROQ_E_WRONG_TYPE && !hq_reply_is_error(r, "OOM")) hq_engine_hold(a, r);
}

typedef struct taken {
  int32_t word;
  uint32_t got, most; /* ids; most: more may wait if there are so many */
  int64_t renewed_at;
  bool none_held; /* it was told that nothing is held, or that it may be postponed */
  bool back;
} taken;

static void took(hq_source *s, const hq_reply *r, const taken *t) {
  heroq_actor *a = s->actor;
  atomic_store(&s->refused_since, 0);
  s->paused = t->word == HQ_TAKE_PAUSED;
  s->look_at = s->paused ? hq_mono_ms() + HQ_LOOK_MS : 0;
  s->take_step = 0;
  for (uint32_t i = 0; i < t->got; i++) {
    hq_idtok pair = hq_get_pair(r, 1, i);
    if (pair.id.p && pair.token.p) adopt(s, pair.id, pair.token, t->renewed_at, t->back);
  }
  if (t->word == HQ_TAKE_SUSPECT) {
    if (!a->suspect_since) a->suspect_since = hq_mono_ms();
    s->maybe_more = true;
    return;
  }
  if (t->none_held) a->suspect_since = 0;
  if (t->word == HQ_TAKE_ALONE) {
    a->alone = true;
    s->maybe_more = true;
    return;
  }
  /* every id looked at counts, but copies are not answered: a short answer only means "ask the blocked command" */
  s->maybe_more = !s->paused && t->got >= t->most && t->got;
}

void hq_take_answer(heroq_actor *a, const hq_item *item, const hq_reply *r) {
  hq_source *s = item->source;
  s->taking = false;
  if (item->op == HQ_OP_LPOP) {
    if (hq_reply_is_error(r, NULL)) {
      take_failed(s, r);
      return;
    }
    atomic_store(&s->refused_since, 0);
    uint32_t got = hq_reply_count(r);
    for (uint32_t i = 0; i < got; i++) adopt(s, hq_reply_str(hq_reply_at(r, i)), no_token, a->sent_at, false);
    s->maybe_more = got >= (uint32_t)item->asked;
    return;
  }
  taken t = {.renewed_at = a->sent_at, .none_held = item->empty != 0, .most = (uint32_t)item->asked};
  t.word = hq_get_take(r, &t.got);
  if (t.word < 0) {
    take_failed(s, r);
    return;
  }
  if (s->handoff_id.p) t.most++;
  free_slice(&s->handoff_id);
  took(s, r, &t);
}

/* ---- blocked commands ---- */

/* Of a TAKE behind a BLMOVE: nobody may be there any more when it takes something. */
static int64_t short_lease(const heroq_actor *a) {
  int64_t ms = a->config.handoff_grace;
  if (ms < 2 * a->config.beat) ms = 2 * a->config.beat;
  return ms < a->config.lease ? ms : a->config.lease;
}

/* The TAKE behind a BLMOVE that moved `id`. False: a TAKE that names the id is to follow. */
static bool took_behind(hq_source *s, const hq_reply *r, hq_slice id) {
  heroq_actor *a = s->actor;
  int64_t lease = short_lease(a);
  taken t = {.renewed_at = s->blocked_at + lease - a->config.lease, .most = 1, .back = a->alone || a->suspect_since};
  t.word = hq_get_take(r, &t.got);
  if (t.word < 0) return false;
  if (t.got && hq_mono_ms() - s->blocked_at >= lease / 4 * 3) a->beat_at = 0; /* in doubt: renewed beside its claim */
  took(s, r, &t);
  if (t.word != HQ_TAKE_OK) return true;
  hq_slice taken_id = hq_get_pair(r, 1, 0).id;
  return taken_id.p && taken_id.n == id.n && memcmp(taken_id.p, id.p, id.n) == 0;
}

static void keep_handoff_id(hq_source *s, hq_slice id) {
  char *copy = malloc(id.n + 1);
  if (!copy) return; /* the reaper returns it */
  memcpy(copy, id.p, id.n);
  copy[id.n] = 0;
  s->handoff_id = (hq_slice){copy, id.n};
}

void hq_take_broke(hq_source *s) {
  if (!s->blocked) return;
  s->blocked = false;
  if (s->actor->config.canonical) return;
  hq_slice id = hq_reply_str(hq_batch_reply(&s->batch, 0));
  if (id.p) keep_handoff_id(s, id);
  s->mine_at = 0; /* its TAKE may have been carried out */
  s->mine_again = true;
}

void hq_take_unblocked(hq_source *s) {
  heroq_actor *a = s->actor;
  const hq_reply *r = hq_batch_reply(&s->batch, 0);
  hq_slice moved = a->config.canonical ? HQ_SLICE_NONE : hq_reply_str(r);
  s->blocked = false;
  bool through = !a->config.canonical && took_behind(s, hq_batch_reply(&s->batch, 1), moved);
  if (hq_reply_is_error(r, NULL)) {
    heroq_error err;
    heroq_status code = hq_reply_to_error(r, s->keys.key[HQ_Q].p, &err);
    bool wrong_type = code == HEROQ_E_WRONG_TYPE;
    if (!hq_reply_is_error(r, "UNBLOCKED")) refused(s);
    if (!hq_reply_is_error(r, "UNBLOCKED")) hq_client_event(a->client, HQ_WARNING, code, "blocked take: %s", err.text);
    if (wrong_type)
      s->look_at = hq_mono_ms() + HQ_LOOK_MS;
    else { /* a role change or a refusal: a new connection finds out */
      hq_conn_close(s->conn);
      s->conn = NULL;
      s->connect_at = hq_mono_ms() + hq_backoff(&s->connect_step, 50, 5000);
    }
    return;
  }
  s->connect_step = 0;
  atomic_store(&s->refused_since, 0);
  if (a->config.canonical) {
    hq_slice id = hq_reply_str(hq_reply_at(r, 1));
    if (!id.p) return;
    adopt(s, id, no_token, hq_mono_ms(), false);
    s->maybe_more = true;
    return;
  }
  if (moved.p && !through) keep_handoff_id(s, moved);
}

static void block(hq_source *s, int64_t now) {
  heroq_actor *a = s->actor;
  hq_batch_reset(&s->batch);
  double seconds = (double)a->config.block / 1000;
  if (a->config.canonical)
    hq_put_blpop(&s->batch, s->keys.key[HQ_Q], seconds);
  else {
    hq_put_blmove(&s->batch, &s->keys, seconds);
    hq_put_take(&s->batch, &s->keys, a->name, short_lease(a), 0, HQ_SLICE_NONE, a->config.recheck, 0, true);
  }
  s->blocked_at = now;
  int64_t margin = a->config.block / 10 > 2000 ? a->config.block / 10 : 2000;
  hq_conn_send(s->conn, &s->batch, now + a->config.block + margin);
  s->blocked = hq_conn_state(s->conn) == HQ_CONN_BUSY;
}

void hq_take_block(heroq_actor *a, int64_t now) {
  int32_t room = hq_take_room(a, now);
  bool all = true;
  for (uint32_t i = 0; i < a->sources; i++) {
    hq_source *s = &a->source[i];
    if (!s->conn && !a->drain_seen && a->connected && now >= s->connect_at) {
      s->conn = hq_conn_open(a->endpoint, "heroq-take", now + a->config.connect_timeout);
      if (!s->conn) s->connect_at = now + hq_backoff(&s->connect_step, 50, 5000);
    }
    bool may = room > 0 && !s->blocked && !s->taking && !s->maybe_more && !s->paused && !s->handoff_id.p &&
               now >= s->look_at && !a->alone && !a->suspect_since && a->connected;
    if (may && s->conn && hq_conn_state(s->conn) == HQ_CONN_IDLE) block(s, now);
    all = all && s->blocked;
  }
  atomic_store(&a->waiting, all);
}

/* ---- what nobody waits for ---- */

void hq_take_surplus(heroq_actor *a, int64_t now) {
  hq_list back;
  hq_list_init(&back);
  pthread_mutex_lock(&a->lock);
  int64_t most = patience(a, now);
  while (a->ready.first && now - a->ready.first->ready_at >= most) hq_list_push(&back, hq_list_pop(&a->ready));
  if (back.first && a->fd_used) a->fd_rest_until = now + hq_backoff(&a->fd_rest_step, HQ_FD_SURPLUS_MS, 5000);
  hq_engine_update_fd(a);
  pthread_mutex_unlock(&a->lock);
  for (hq_held *h; (h = hq_list_pop(&back));) {
    h->settle = HQ_BY_ENGINE;
    hq_settle_work(a, h, HQ_ST_UNCLAIM);
  }
}
