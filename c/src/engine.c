/* The actor's loop: one thread, one pipeline at a time on the command connection, one blocked command a queue. It never
 * ends because of an error. */
#include "engine.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "errors.h"

#define COMMANDS_MOST 1024 /* a pipeline */
#define FEW_COMMANDS 8
#define WAKE_MOST 2                 /* takers on their way to a job: each wakes the next */
#define TEXT_MOST ((size_t)8 << 20) /* its bytes, one huge value apart */

/* ---- lists ---- */

void hq_list_init(hq_list *l) {
  l->first = NULL;
  l->last = &l->first;
  l->count = 0;
}

void hq_list_push(hq_list *l, hq_held *h) {
  h->next = NULL;
  *l->last = h;
  l->last = &h->next;
  l->count++;
}

hq_held *hq_list_pop(hq_list *l) {
  hq_held *h = l->first;
  if (!h) return NULL;
  l->first = h->next;
  if (!l->first) l->last = &l->first;
  l->count--;
  return h;
}

void hq_list_splice(hq_list *to, hq_list *from) {
  if (!from->first) return;
  *to->last = from->first;
  to->last = from->last;
  to->count += from->count;
  hq_list_init(from);
}

/* ---- what both sides use ---- */

void hq_engine_wake(heroq_actor *a) {
  if (!atomic_load(&a->busy)) hq_loop_wake(&a->loop);
}

bool hq_engine_can_hand_out(const heroq_actor *a) { return !a->config.concurrency || a->out < a->config.concurrency; }

static bool head_is_ours(const heroq_actor *a) {
  if (a->config.canonical) return true;
  return hq_mono_ms() - atomic_load(&a->ready.first->renewed_at) < a->config.lease;
}

void hq_engine_update_fd(heroq_actor *a) {
  if (!a->fd_used) return;
  bool readable =
      a->draining || a->stop || a->stuck_told || (a->ready.first && hq_engine_can_hand_out(a) && head_is_ours(a));
  if (readable == a->fd_set) return;
  a->fd_set = readable;
  if (readable)
    hq_notice_set(&a->fd);
  else
    hq_notice_clear(&a->fd);
}

/* Who is woken and finds more wakes the next. Not as many as there are jobs at once: where handlers are quick a few threads
 * do all of them, and the others would run for nothing. */
void hq_engine_offer(heroq_actor *a) {
  if (a->ready.count && hq_engine_can_hand_out(a) && head_is_ours(a))
    for (; a->waking < WAKE_MOST && a->waking < a->ready.count && a->takers.count; a->waking++)
      hq_waitq_wake_one(&a->takers);
  hq_engine_update_fd(a);
}

void hq_engine_event(heroq_actor *a, const char *what, const hq_held *h) {
  pthread_mutex_lock(&a->lock);
  if (a->event_count == HQ_EVENTS) {
    a->event_first = (a->event_first + 1) % HQ_EVENTS;
    a->event_count--;
    a->event_dropped++;
  }
  hq_event *e = &a->events[(a->event_first + a->event_count++) % HQ_EVENTS];
  *e = (hq_event){.what = what, .time = hq_wall_ms(), .token = h ? h->number : 0};
  if (h) hq_escape(e->id, sizeof e->id, h->id.p, h->id.n);
  hq_waitq_wake_one(&a->event_takers);
  if (a->event_fd_used && !a->event_fd_set) {
    a->event_fd_set = true;
    hq_notice_set(&a->event_fd);
  }
  pthread_mutex_unlock(&a->lock);
}

void hq_engine_hold(heroq_actor *a, const hq_reply *r) {
  /* never for long beside the leases, which are renewed in the same pipelines */
  int64_t most = a->config.beat > 50 ? a->config.beat : 50;
  if (a->hold_until <= a->sent_at) a->hold_until = hq_mono_ms() + hq_backoff(&a->hold_step, 50, most);
  /* a server that changed its role: meet it, or its successor, anew */
  if (hq_reply_is_error(r, "READONLY") || hq_reply_is_error(r, "MASTERDOWN") || hq_reply_is_error(r, "MOVED"))
    a->reconnect = true;
}

hq_item *hq_engine_item(heroq_actor *a, int op, hq_source *s, hq_held *h) {
  if (a->items == a->item_cap) {
    uint32_t cap = a->item_cap ? a->item_cap * 2 : 256;
    hq_item *grown = realloc(a->item, cap * sizeof *grown);
    if (!grown) return NULL;
    a->item = grown;
    a->item_cap = cap;
  }
  hq_item *item = &a->item[a->items++];
  *item = (hq_item){.op = op, .source = s, .held = h};
  return item;
}

bool hq_engine_list(heroq_actor *a, hq_held *h) {
  if (a->listed_count == a->listed_cap) {
    uint32_t cap = a->listed_cap ? a->listed_cap * 2 : 256;
    hq_held **grown = realloc(a->listed, cap * sizeof *grown);
    if (!grown) return false;
    a->listed = grown;
    a->listed_cap = cap;
  }
  a->listed[a->listed_count++] = h;
  return true;
}

/* ---- the command connection ---- */

static void drop_conn(heroq_actor *a, int64_t now) {
  hq_conn_close(a->conn);
  a->conn = NULL;
  a->connect_at = now + hq_backoff(&a->connect_step, 50, 5000);
  atomic_store(&a->busy, false);
  atomic_store(&a->waiting, false);
}

/* What was not answered is unknown: repeat what can be repeated, MINE finds what a TAKE may have brought. */
static void revert(heroq_actor *a, const hq_item *item) {
  hq_source *s = item->source;
  switch (item->op) {
  case HQ_OP_HELD: hq_settle_work(a, item->held, item->held->stage); break;
  case HQ_OP_RUNS: hq_runs_revert(a, item); break;
  case HQ_OP_DONE:
    for (uint32_t i = 0; i < item->count; i++) hq_settle_work(a, a->listed[item->first + i], HQ_ST_DONE);
    break;
  case HQ_OP_WAIT: hq_settle_wait_answer(a, item, NULL); break;
  case HQ_OP_TAKE: /* its handoff id stays: the same TAKE again answers what the lost one did */
    s->taking = false;
    s->mine_at = 0;
    s->mine_again = true;
    break;
  case HQ_OP_LPOP: s->taking = false; break;
  case HQ_OP_BEAT: a->beat_at = 0; break;
  case HQ_OP_MINE:
    s->mine_at = 0;
    s->mine_again = true;
    break;
  case HQ_OP_REAP: s->reap_at = 0; break;
  case HQ_OP_PROMOTE: s->promote_at = 0; break;
  case HQ_OP_UNBLOCK: a->unblocked = false; break;
  case HQ_OP_CTL_CANCEL:
  case HQ_OP_CTL_REMOVE:
  case HQ_OP_STOP_LOOK: hq_held_unref(item->held); break;
  case HQ_OP_INTENT_LOOK: hq_intents_answer(a, item, NULL); break;
  case HQ_OP_NOTE: hq_notes_answer(a, item->held, NULL); break;
  case HQ_OP_TALLY:
  case HQ_OP_ENDED: hq_tally_answer(a, item, NULL); break;
  default: break;
  }
}

static void unblock_answer(heroq_actor *a, hq_source *s, const hq_reply *r) {
  if (!s->blocked || hq_reply_int(r, -1) == 1) return;
  if (hq_reply_is_error(r, NULL))
    hq_conn_half_close(s->conn); /* not allowed: the server drops it too when it reads the end */
  else
    a->unblocked = false; /* it overtook the blocked command, or that has just been answered */
}

static void answer(heroq_actor *a, const hq_item *item, const hq_reply *r) {
  switch (item->op) {
  case HQ_OP_HELD: hq_settle_answer(a, item->held, r); break;
  case HQ_OP_RUNS: hq_runs_answer(a, item, r); break;
  case HQ_OP_DONE: hq_settle_done_answer(a, item, r); break;
  case HQ_OP_WAIT: hq_settle_wait_answer(a, item, r); break;
  case HQ_OP_NOTE: hq_notes_answer(a, item->held, r); break;
  case HQ_OP_TAKE:
  case HQ_OP_LPOP: hq_take_answer(a, item, r); break;
  case HQ_OP_UNBLOCK: unblock_answer(a, item->source, r); break;
  case HQ_OP_TALLY:
  case HQ_OP_ENDED: hq_tally_answer(a, item, r); break;
  default:
    hq_tend_answer(a, item, r);
    if (item->held) hq_held_unref(item->held);
  }
}

/* One wake-up for many jobs: those claimed in this turn go to the takers together. */
static void publish(heroq_actor *a) {
  if (!a->fresh.first) return;
  a->published = a->fresh.count <= FEW_COMMANDS;
  int64_t now = hq_mono_ms();
  for (hq_held *h = a->fresh.first; h; h = h->next) h->ready_at = now;
  pthread_mutex_lock(&a->lock);
  hq_list_splice(&a->ready, &a->fresh);
  hq_engine_offer(a);
  pthread_mutex_unlock(&a->lock);
}

static void settle_pipeline(heroq_actor *a) {
  for (uint32_t i = 0; i < a->items; i++) {
    const hq_item item = a->item[i];
    const hq_reply *r = hq_batch_reply(&a->batch, i);
    if (r)
      answer(a, &item, r);
    else
      revert(a, &item);
  }
  a->items = a->listed_count = 0;
  publish(a);
  hq_batch_reset(&a->batch);
}

static void set_connected(heroq_actor *a, bool connected) {
  pthread_mutex_lock(&a->lock);
  if (connected && !a->connected) a->reconnects++;
  a->connected = connected;
  if (connected) hq_waitq_wake_all(&a->closers); /* open waits for it */
  pthread_mutex_unlock(&a->lock);
}

static void check_conn(heroq_actor *a, int64_t now) {
  if (!a->conn) {
    if (now < a->connect_at) return;
    a->conn = hq_conn_open(a->endpoint, "heroq-actor", now + a->config.connect_timeout);
    if (!a->conn) {
      a->connect_at = now + hq_backoff(&a->connect_step, 50, 5000);
      return;
    }
    hq_conn_allow(a->conn, a->config.op_timeout);
  }
  int state = hq_conn_state(a->conn);
  if (state == HQ_CONN_BROKEN) {
    heroq_error err;
    hq_conn_error(a->conn, &err);
    hq_client_event(a->client, HQ_WARNING, err.code, "actor %s: %s", a->actor_id, err.text);
    set_connected(a, false);
    settle_pipeline(a);
    hq_settle_not_sure(a);
    a->reconnect = false;
    drop_conn(a, now);
  } else if (state == HQ_CONN_IDLE) {
    if (!a->connected) {
      if (a->reconnects) hq_client_event(a->client, HQ_INFO, HEROQ_OK, "actor %s: connected", a->actor_id);
      set_connected(a, true);
    }
    if (a->items) {
      settle_pipeline(a);
      a->connect_step = 0;
      if (a->hold_until < now) a->hold_step = 0;
    }
    atomic_store(&a->busy, false);
    if (a->reconnect) {
      a->reconnect = false;
      set_connected(a, false);
      hq_settle_not_sure(a);
      drop_conn(a, now);
      a->connect_at = a->hold_until;
    }
  }
}

static void check_sources(heroq_actor *a, int64_t now) {
  for (uint32_t i = 0; i < a->sources; i++) {
    hq_source *s = &a->source[i];
    if (!s->conn) continue;
    int state = hq_conn_state(s->conn);
    if (state == HQ_CONN_BROKEN) {
      hq_take_broke(s);
      hq_conn_close(s->conn);
      s->conn = NULL;
      s->connect_at = now + hq_backoff(&s->connect_step, 50, 5000);
    } else if (state == HQ_CONN_IDLE && s->blocked)
      hq_take_unblocked(s);
  }
}

/* ---- going down ---- */

/* Blocked commands of an actor that drains are ended by the server, so that none fires later. */
static void put_unblock(heroq_actor *a) {
  a->unblocked = true;
  for (uint32_t i = 0; i < a->sources; i++) {
    hq_source *s = &a->source[i];
    if (!s->blocked) continue;
    int64_t id = hq_conn_client_id(s->conn);
    if (id && hq_engine_item(a, HQ_OP_UNBLOCK, s, NULL))
      hq_put_unblock(&a->batch, id);
    else
      hq_conn_half_close(s->conn);
  }
}

static bool blocked(const heroq_actor *a) {
  for (uint32_t i = 0; i < a->sources; i++)
    if (a->source[i].blocked || a->source[i].handoff_id.p || a->source[i].mine_at == 0) return true;
  return false;
}

static void begin_drain(heroq_actor *a) {
  a->drain_seen = true;
  for (uint32_t i = 0; i < a->sources; i++) hq_tend_leave(&a->source[i]);
  for (hq_held *h = hq_held_next(a, NULL); h; h = hq_held_next(a, h)) {
    int none = HEROQ_STOP_NONE;
    atomic_compare_exchange_strong(&h->stop_reason, &none, HEROQ_STOP_DRAIN);
  }
}

/* The grace is over: what still runs goes back. */
static void take_back(heroq_actor *a) {
  for (hq_held *h = hq_held_next(a, NULL); h; h = hq_held_next(a, h)) {
    pthread_mutex_lock(&a->lock);
    bool running = hq_held_is_out(h);
    if (running) h->settle = HQ_BY_ENGINE;
    pthread_mutex_unlock(&a->lock);
    if (running) hq_settle_work(a, h, HQ_ST_UNCLAIM);
  }
}

static void check_drain(heroq_actor *a, int64_t now) {
  pthread_mutex_lock(&a->lock);
  bool draining = a->draining, over = draining && now >= a->drain_until;
  pthread_mutex_unlock(&a->lock);
  if (!draining) return;
  if (!a->drain_seen) begin_drain(a);
  if (over) take_back(a);
  if (a->held || a->items || blocked(a) || hq_tally_waits(a) || a->drained_told) return;
  hq_engine_event(a, "drained", NULL);
  pthread_mutex_lock(&a->lock);
  a->drained_told = true;
  hq_waitq_wake_all(&a->closers);
  pthread_mutex_unlock(&a->lock);
}

/* ---- a turn ---- */

static void take_settled(heroq_actor *a) {
  hq_list settled;
  hq_list_init(&settled);
  pthread_mutex_lock(&a->lock);
  hq_list_splice(&settled, &a->settled);
  pthread_mutex_unlock(&a->lock);
  for (hq_held *h; (h = hq_list_pop(&settled));) hq_settle_begin(a, h);
}

static void put_work(heroq_actor *a) {
  hq_list todo = a->work;
  if (todo.first)
    hq_list_init(&a->work);
  else
    return;
  while (todo.first && a->batch.count < COMMANDS_MOST && a->batch.text.n < TEXT_MOST)
    if (!hq_runs_put(a, &todo)) hq_settle_put(a, hq_list_pop(&todo));
  if (todo.first) { /* the rest keeps its place in front */
    hq_list rest = a->work;
    a->work = todo;
    if (rest.first) {
      *a->work.last = rest.first;
      a->work.last = rest.last;
      a->work.count += rest.count;
    }
  }
}

static bool turn(heroq_actor *a, int64_t now) {
  if (!a->conn || hq_conn_state(a->conn) != HQ_CONN_IDLE || now < a->hold_until) return false;
  take_settled(a);
  hq_tend_put(a, now); /* BEAT first: its answer speaks of what was held before this turn */
  if (a->drain_seen && !a->unblocked) put_unblock(a);
  hq_settle_put_done(a);
  put_work(a);
  hq_notes_put(a);
  hq_take_put(a, now);
  hq_settle_put_wait(a);
  if (!a->batch.count && !a->batch.failed) return false;
  a->sent_at = now;
  atomic_store(&a->busy, true);
  hq_conn_send(a->conn, &a->batch, now + a->config.op_timeout);
  return true;
}

static void step(heroq_actor *a) {
  for (int i = 0; i < 64; i++) { /* bounded: a pipeline that ends at once must not keep timers and sockets waiting */
    int64_t now = a->stepped_at = hq_mono_ms();
    atomic_store(&a->waiting, false); /* before the room is looked at: who comes later wakes us */
    check_conn(a, now);
    check_sources(a, now);
    hq_tend_timeouts(a, now);
    hq_settle_ill(a, now);
    if (a->config.strict && !a->connected) hq_tend_strict(a, now);
    hq_take_surplus(a, now);
    check_drain(a, now);
    if (a->alone && !a->held) a->alone = false;
    if (!turn(a, now)) break;
    if (hq_conn_state(a->conn) == HQ_CONN_BUSY) break;
  }
  hq_take_block(a, hq_mono_ms());
}

/* Timers that had their turn and were left alone on purpose do not count. */
static void timer(const heroq_actor *a, int64_t *at, int64_t due) {
  if (due > a->stepped_at && due < *at) *at = due;
}

static uint32_t prepare(void *self, struct pollfd *fds, uint32_t cap, int64_t *deadline) {
  heroq_actor *a = self;
  int64_t at = HQ_NEVER;
  bool idle = a->conn && hq_conn_state(a->conn) == HQ_CONN_IDLE;
  uint32_t n = 0;
  if (a->conn)
    at = hq_conn_deadline(a->conn); /* it breaks when driven after that, so it never counts twice */
  else
    timer(a, &at, a->connect_at);
  if (a->conn) a->polled[n++] = a->conn;
  for (uint32_t i = 0; i < a->sources; i++) {
    hq_source *s = &a->source[i];
    if (s->conn && hq_conn_deadline(s->conn) < at) at = hq_conn_deadline(s->conn);
    if (s->conn && hq_conn_state(s->conn) == HQ_CONN_BROKEN) at = a->stepped_at;
    if (!s->conn && a->connected) timer(a, &at, s->connect_at);
    if (idle) timer(a, &at, s->look_at);
    if (s->conn && n < cap) a->polled[n++] = s->conn;
  }
  for (uint32_t i = 0; i < n; i++)
    fds[i] = (struct pollfd){.fd = hq_conn_fd(a->polled[i]), .events = hq_conn_events(a->polled[i])};
  a->polled_count = n;
  if (idle) {
    int64_t due = hq_tend_next(a);
    timer(a, &at, due > a->hold_until ? due : a->hold_until);
    timer(a, &at, a->hold_until);
    if (a->suspect_since) timer(a, &at, a->suspect_since + a->config.lease);
    if (a->ill.first) timer(a, &at, a->ill_until);
    if ((a->asks || a->intents || a->work.first || a->done.first || a->sure.first) && a->hold_until <= a->stepped_at)
      at = a->stepped_at;
  }
  pthread_mutex_lock(&a->lock);
  timer(a, &at, a->timeout_at);
  if (idle && a->noted && a->hold_until <= a->stepped_at) at = a->stepped_at;
  if (a->config.strict && !a->connected && a->held) timer(a, &at, a->stepped_at + a->config.beat);
  if (a->draining && !a->drained_told) timer(a, &at, a->drain_until);
  if (a->ready.first) {
    timer(a, &at, a->ready.first->ready_at + HQ_SURPLUS_MS);
    timer(a, &at, a->ready.first->ready_at + HQ_FD_SURPLUS_MS);
  }
  timer(a, &at, a->fd_rest_until);
  pthread_mutex_unlock(&a->lock);
  bool few = a->conn && hq_conn_state(a->conn) == HQ_CONN_BUSY && a->batch.count <= FEW_COMMANDS;
  a->loop.soon = a->published ? HQ_SOON_RESULT : few ? HQ_SOON_ANSWER : HQ_SOON_NOTHING;
  a->published = false;
  *deadline = at;
  return n;
}

static bool handle(void *self, const struct pollfd *fds, uint32_t n) {
  heroq_actor *a = self;
  for (uint32_t i = 0; i < n; i++) hq_conn_drive(a->polled[i], fds[i].revents);
  step(a);
  pthread_mutex_lock(&a->lock);
  bool more = !a->stop;
  pthread_mutex_unlock(&a->lock);
  return more;
}

/* Those out of their table are reached by their list only. */
static void drop_list(hq_list *l) {
  for (hq_held *h; (h = hq_list_pop(l));)
    if (!h->tabled) hq_held_drop(h);
}

/* The end of the thread: the leases of what is still held run out. */
static void ended(void *self) {
  heroq_actor *a = self;
  for (uint32_t i = 0; i < a->items; i++) revert(a, &a->item[i]);
  for (uint32_t i = 0; i < a->asks; i++) hq_held_unref(a->ask[i].held);
  hq_intents_free(a);
  hq_notes_end(a);
  hq_conn_close(a->conn);
  a->conn = NULL;
  hq_list left;
  hq_list_init(&left);
  pthread_mutex_lock(&a->lock);
  hq_list_splice(&left, &a->settled);
  hq_list_init(&a->ready);
  pthread_mutex_unlock(&a->lock);
  drop_list(&left);
  drop_list(&a->work);
  drop_list(&a->done);
  drop_list(&a->sure);
  drop_list(&a->ill);
  drop_list(&a->fresh);
  for (uint32_t i = 0; i < a->sources; i++) {
    hq_source *s = &a->source[i];
    if (s->conn) hq_conn_half_close(s->conn);
    hq_conn_close(s->conn);
    s->conn = NULL;
    for (hq_held *h; (h = hq_map_pop(&s->held)) != NULL;) {
      h->tabled = false;
      pthread_mutex_lock(&a->lock);
      if (h->settle == HQ_UNSETTLED) h->lost = true;
      pthread_mutex_unlock(&a->lock);
      atomic_store(&h->stop_reason, HEROQ_STOP_LOST);
      hq_held_drop(h);
    }
  }
  pthread_mutex_lock(&a->lock);
  a->ended = true;
  a->connected = false;
  hq_engine_update_fd(a);
  hq_waitq_wake_all(&a->takers);
  hq_waitq_wake_all(&a->syncers);
  hq_waitq_wake_all(&a->closers);
  hq_waitq_wake_all(&a->noters);
  hq_waitq_wake_all(&a->event_takers);
  if (a->event_fd_used && !a->event_fd_set) {
    a->event_fd_set = true;
    hq_notice_set(&a->event_fd);
  }
  pthread_mutex_unlock(&a->lock);
  hq_actor_unref(a);
}

heroq_status hq_engine_start(heroq_actor *a, heroq_error *err) {
  static const hq_loop_ops ops = {prepare, handle, ended};
  hq_life_ref(&a->life);
  int rc = hq_loop_start(&a->loop, "heroq-actor", &ops, a);
  if (!rc) return hq_ok(err);
  hq_life_unref(&a->life);
  return hq_fail_errno(err, HEROQ_E_INTERNAL, rc, "cannot start the actor's thread");
}
