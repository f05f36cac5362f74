/* The await engine's thread: what comes in from the waiters, its two connections, its timers, its end. */
#include "await_engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "await_inside.h"
#include "clock.h"
#include "errors.h"
#include "keys_private.h"

#define BLOCK_MS 5000
#define BLOCK_GRACE_MS 2000
#define POP_MOST 256
#define RECONNECT_FIRST_MS 50
#define RECONNECT_MOST_MS 2000
#define HOLD_MS 500
#define END_MS 1000 /* how long the end may take to delete the shared list */

static int64_t earlier(int64_t a, int64_t b) { return a < b ? a : b; }

void hq_engine_todo(hq_await_engine *e, hq_await *a) {
  hq_await_ref(a);
  a->next_todo = NULL;
  *e->todo_last = a;
  e->todo_last = &a->next_todo;
}

/* ---- what comes in ---- */

static void drop_new(hq_await *a) {
  for (hq_await *next; a; a = next) {
    next = a->next_new;
    hq_await_unref(a);
  }
}

static void drop_ended(hq_await *a) {
  for (hq_await *next; a; a = next) {
    next = a->next_ended;
    hq_await_unref(a);
  }
}

void hq_await_engine_add(hq_await_engine *e, hq_await *first) {
  hq_await *last = first;
  if (!first) return;
  while (last->next_new) last = last->next_new;
  pthread_mutex_lock(&e->lock);
  bool ended = e->ended;
  if (!ended) {
    *e->added_last = first;
    e->added_last = &last->next_new;
    hq_loop_wake(&e->loop);
  }
  pthread_mutex_unlock(&e->lock);
  if (ended) drop_new(first);
}

void hq_await_engine_end(hq_await_engine *e, hq_await *first) {
  hq_await *last = first;
  if (!first) return;
  while (last->next_ended) last = last->next_ended;
  pthread_mutex_lock(&e->lock);
  bool ended = e->ended;
  if (!ended) {
    last->next_ended = e->ended_waits;
    e->ended_waits = first;
    hq_loop_wake(&e->loop);
  }
  pthread_mutex_unlock(&e->lock);
  if (ended) drop_ended(first);
}

static void take_inbox(hq_await_engine *e, hq_await **added, hq_await **ended, bool *closing, bool *gone) {
  pthread_mutex_lock(&e->lock);
  *added = e->added;
  *ended = e->ended_waits;
  e->added = e->ended_waits = NULL;
  e->added_last = &e->added;
  *closing = e->closing;
  *gone = e->gone;
  pthread_mutex_unlock(&e->lock);
}

static void read_inbox(hq_await_engine *e, bool *closing, bool *gone, int64_t now) {
  hq_await *added, *ended;
  take_inbox(e, &added, &ended, closing, gone);
  for (hq_await *a = added, *next; a; a = next) {
    next = a->next_new;
    hq_turn_add(e, a, now);
  }
  for (hq_await *a = ended, *next; a; a = next) {
    next = a->next_ended;
    hq_turn_end(e, a);
    hq_await_unref(a);
  }
}

/* ---- connections ---- */

static hq_conn *open_connection(hq_await_engine *e, int64_t now) {
  return hq_conn_open(&e->endpoint, e->name, hq_deadline(now, e->connect_timeout));
}

/* It broke, or could not be made: says so, and when to try again. */
static void lost(hq_await_engine *e, hq_conn **conn, int64_t *at, int64_t *step, int64_t now, bool was_connecting) {
  heroq_error why;
  if (*conn)
    hq_conn_error(*conn, &why);
  else
    hq_fail_nomem(&why);
  hq_conn_close(*conn);
  *conn = NULL;
  e->lost = true;
  *at = now + hq_backoff(step, RECONNECT_FIRST_MS, RECONNECT_MOST_MS);
  if (e->awaits) hq_events_add(e->events, HQ_WARNING, why.code, "the connection of the awaits: %s", why.text);
  /* Nobody is to wait for a submit that has nowhere to go. But a connection may be killed in its first moment: once is no
   * proof. A wrong password does not get right by waiting. */
  bool passing = why.flags & HEROQ_RETRYABLE;
  if (was_connecting && e->awaits && (e->failed || !passing)) hq_turn_fail(e, !passing, &why);
  if (was_connecting) e->failed = true;
}

static void drive(hq_conn *conn, const struct pollfd *fds, uint32_t n) {
  if (!conn) return;
  short revents = 0;
  for (uint32_t i = 0; i < n; i++)
    if (fds[i].fd == hq_conn_fd(conn)) revents = fds[i].revents;
  hq_conn_drive(conn, revents);
}

/* ---- the connection for commands ---- */

static void drive_commands(hq_await_engine *e, const struct pollfd *fds, uint32_t n, int64_t now) {
  if (!e->conn) return;
  bool connecting = hq_conn_state(e->conn) == HQ_CONN_CONNECTING;
  drive(e->conn, fds, n);
  int state = hq_conn_state(e->conn);
  bool answered = e->items && (state == HQ_CONN_IDLE || state == HQ_CONN_BROKEN);
  if (answered) hq_turn_answer(e, now);
  if (connecting && state == HQ_CONN_IDLE) {
    e->connect_step = 0;
    e->failed = false;
  }
  if (state == HQ_CONN_BROKEN) lost(e, &e->conn, &e->connect_at, &e->connect_step, now, connecting);
}

/* Sends what is to be asked, if the wire is free. */
static void ask(hq_await_engine *e, int64_t now) {
  bool check_all = e->lost && e->awaits;
  if (!hq_turn_has_work(e, now) && !check_all) return;
  if (e->conn && hq_conn_state(e->conn) == HQ_CONN_IDLE && !hq_conn_alive(e->conn)) {
    hq_conn_close(e->conn);
    e->conn = NULL;
    e->lost = true;
  }
  if (!e->conn) {
    if (now < e->connect_at) return;
    e->conn = open_connection(e, now);
    if (e->conn) hq_conn_allow(e->conn, e->op_timeout);
    if (!e->conn || hq_conn_state(e->conn) == HQ_CONN_BROKEN)
      lost(e, &e->conn, &e->connect_at, &e->connect_step, now, true);
    return;
  }
  if (hq_conn_state(e->conn) != HQ_CONN_IDLE) return;
  if (e->lost) {
    e->lost = false;
    hq_turn_look_at_all(e);
  }
  hq_turn_put(e, now);
  if (e->batch.count) hq_conn_send(e->conn, &e->batch, hq_deadline(now, e->op_timeout));
  if (e->items && hq_conn_state(e->conn) != HQ_CONN_BUSY) { /* it broke at once */
    hq_turn_answer(e, now);
    lost(e, &e->conn, &e->connect_at, &e->connect_step, now, false);
  }
}

/* ---- the blocked connection ---- */

static void read_pops(hq_await_engine *e, int64_t now) {
  const hq_batch *b = &e->block_batch;
  const hq_reply *pop = hq_batch_reply(b, 0), *blocked = hq_batch_reply(b, 1);
  if (pop && !e->popped) {
    e->popped = true;
    for (uint32_t i = 0; i < hq_reply_count(pop); i++) hq_turn_replied(e, hq_reply_str(hq_reply_at(pop, i)), now);
  }
  if (!blocked) return;
  hq_turn_replied(e, hq_reply_str(hq_reply_at(blocked, 1)), now);
  const hq_reply *fault = pop && pop->type == HQ_ERROR ? pop : blocked->type == HQ_ERROR ? blocked : NULL;
  if (!fault) return;
  heroq_error why; /* the sweep goes on without replies */
  hq_reply_to_error(fault, e->list, &why);
  hq_events_add(e->events, HQ_WARNING, why.code, "no replies can be heard: %s", why.text);
  e->hold_until = now + hq_jitter(HOLD_MS);
}

static void drive_blocked(hq_await_engine *e, const struct pollfd *fds, uint32_t n, int64_t now) {
  if (!e->block) return;
  bool connecting = hq_conn_state(e->block) == HQ_CONN_CONNECTING;
  drive(e->block, fds, n);
  int state = hq_conn_state(e->block);
  if (connecting && state == HQ_CONN_IDLE) e->block_step = 0;
  if (e->block_batch.count) read_pops(e, now);
  if (state != HQ_CONN_BUSY) hq_batch_reset(&e->block_batch);
  if (state == HQ_CONN_BROKEN) lost(e, &e->block, &e->block_at, &e->block_step, now, false);
}

/* What lies there already comes with the LPOP, many at a time; the BLPOP waits for the next. */
static void block(hq_await_engine *e, int64_t now) {
  if (!e->awaits || now < e->hold_until) return;
  if (!e->block) {
    if (now < e->block_at) return;
    e->block = open_connection(e, now);
    if (!e->block || hq_conn_state(e->block) == HQ_CONN_BROKEN)
      lost(e, &e->block, &e->block_at, &e->block_step, now, false);
    return;
  }
  if (hq_conn_state(e->block) != HQ_CONN_IDLE) return;
  e->popped = false;
  hq_batch_begin(&e->block_batch, 3, -1);
  hq_batch_text_arg(&e->block_batch, "LPOP");
  hq_batch_text_arg(&e->block_batch, e->list);
  hq_batch_int(&e->block_batch, POP_MOST);
  hq_put_blpop(&e->block_batch, hq_slice_of(e->list), BLOCK_MS / 1000.0);
  hq_conn_send(e->block, &e->block_batch, now + BLOCK_MS + BLOCK_GRACE_MS);
  if (hq_conn_state(e->block) != HQ_CONN_BROKEN) return;
  hq_batch_reset(&e->block_batch);
  lost(e, &e->block, &e->block_at, &e->block_step, now, false);
}

/* ---- the end ---- */

/* The shared list goes with the engine, if the server is at hand. true: the thread is to end. */
static bool wind_up(hq_await_engine *e, bool gone, int64_t now) {
  hq_turn_fail(e, true, NULL);
  hq_conn_close(e->block);
  e->block = NULL;
  if (!e->end_by) e->end_by = now + END_MS;
  if (gone || !e->conn || now >= e->end_by) return true;
  int state = hq_conn_state(e->conn);
  if (state == HQ_CONN_BROKEN || state == HQ_CONN_CONNECTING || (state == HQ_CONN_IDLE && e->del_sent)) return true;
  if (state != HQ_CONN_IDLE) return false;
  hq_turn_put(e, now); /* replies that are still to be deleted */
  hq_batch_words(&e->batch, "DEL", e->list, NULL);
  hq_conn_send(e->conn, &e->batch, e->end_by);
  e->items = 0;
  e->del_sent = true;
  return hq_conn_state(e->conn) != HQ_CONN_BUSY;
}

/* ---- the thread ---- */

static void poll_connection(hq_conn *conn, struct pollfd *fds, uint32_t *n, int64_t *deadline) {
  if (!conn || hq_conn_fd(conn) < 0) return;
  fds[(*n)++] = (struct pollfd){.fd = hq_conn_fd(conn), .events = hq_conn_events(conn)};
  *deadline = earlier(*deadline, hq_conn_deadline(conn));
}

static uint32_t prepare(void *self, struct pollfd *fds, uint32_t cap, int64_t *deadline) {
  hq_await_engine *e = self;
  uint32_t n = 0;
  (void)cap;
  poll_connection(e->conn, fds, &n, deadline);
  poll_connection(e->block, fds, &n, deadline);
  *deadline = earlier(*deadline, earlier(hq_heap_next(&e->timers), hq_heap_next(&e->tends)));
  int64_t work = e->todo || e->dels.n || (e->lost && e->awaits) ? 0 : hq_heap_next(&e->looks);
  if (!e->conn && work != HQ_NEVER)
    *deadline = earlier(*deadline, work > e->connect_at ? work : e->connect_at);
  else if (e->conn && hq_conn_state(e->conn) == HQ_CONN_IDLE)
    *deadline = earlier(*deadline, work);
  bool idle = e->block && hq_conn_state(e->block) == HQ_CONN_IDLE;
  if (e->awaits && (!e->block || idle)) {
    int64_t at = e->block ? 0 : e->block_at;
    *deadline = earlier(*deadline, at > e->hold_until ? at : e->hold_until);
  }
  if (e->end_by) *deadline = earlier(*deadline, e->end_by);
  return n;
}

static bool handle(void *self, const struct pollfd *fds, uint32_t n) {
  hq_await_engine *e = self;
  int64_t now = hq_mono_ms();
  bool closing, gone;
  read_inbox(e, &closing, &gone, now);
  drive_commands(e, fds, n, now);
  drive_blocked(e, fds, n, now);
  for (hq_await *a; (a = hq_heap_due(&e->timers, now)) != NULL;) hq_turn_timeout(e, a);
  if (closing) return !wind_up(e, gone, now);
  hq_turn_tend(e, now);
  ask(e, now);
  block(e, now);
  return true;
}

static void ended(void *self) {
  hq_await_engine *e = self;
  hq_await *added, *ended_waits;
  pthread_mutex_lock(&e->lock);
  e->ended = true;
  added = e->added;
  ended_waits = e->ended_waits;
  pthread_mutex_unlock(&e->lock);
  hq_conn_close(e->conn);
  hq_conn_close(e->block);
  e->conn = e->block = NULL;
  drop_new(added);
  drop_ended(ended_waits);
  hq_turn_fail(e, true, NULL);
  hq_turn_answer(e, hq_mono_ms()); /* gives back what the last pipeline held */
  hq_lonely_stop(e->lonely);
  e->lonely = NULL;
  hq_await_engine_unref(e);
}

static const hq_loop_ops ops = {prepare, handle, ended};

/* ---- life ---- */

static void destroy(hq_await_engine *e) {
  hq_loop_free(&e->loop);
  for (hq_care *c; (c = hq_map_pop(&e->cares)) != NULL;) {
    hq_qkeys_free(&c->queue);
    free(c);
  }
  hq_map_free(&e->cares);
  hq_map_free(&e->targets);
  hq_heap_free(&e->timers);
  hq_heap_free(&e->looks);
  hq_heap_free(&e->tends);
  hq_buf_free(&e->dels);
  hq_batch_free(&e->batch);
  hq_batch_free(&e->block_batch);
  free(e->item);
  hq_events_unref(e->events);
  hq_endpoint_free(&e->endpoint);
  pthread_mutex_destroy(&e->lock);
  free(e);
}

void hq_await_engine_unref(hq_await_engine *e) {
  if (e && atomic_fetch_sub(&e->refs, 1) == 1) destroy(e);
}

static void close_engine(hq_await_engine *e, bool gone) {
  pthread_mutex_lock(&e->lock);
  e->closing = true;
  e->gone = e->gone || gone;
  if (!e->ended) hq_loop_wake(&e->loop);
  pthread_mutex_unlock(&e->lock);
}

static void client_closes(void *engine) { close_engine(engine, false); }

static void client_is_gone(void *engine) {
  close_engine(engine, true);
  hq_await_engine_unref(engine);
}

static hq_await_engine *make(heroq_client *c, heroq_error *err) {
  hq_await_engine *e = calloc(1, sizeof *e);
  if (!e || !hq_map_init(&e->targets) || !hq_map_init(&e->cares)) {
    if (e) hq_map_free(&e->targets);
    free(e);
    hq_fail_nomem(err);
    return NULL;
  }
  atomic_init(&e->refs, 2); /* the client's and the thread's */
  pthread_mutex_init(&e->lock, NULL);
  e->client = c;
  e->added_last = &e->added;
  e->todo_last = &e->todo;
  e->events = hq_client_events(c);
  hq_events_ref(e->events);
  e->connect_timeout = hq_option_int(hq_client_options(c), HQ_OPT_CONNECT_TIMEOUT);
  e->op_timeout = hq_option_int(hq_client_options(c), HQ_OPT_OP_TIMEOUT);
  e->intents = hq_client_starts(c)->intents;
  snprintf(e->name, sizeof e->name, "%s-await", hq_client_name(c));
  snprintf(e->list, sizeof e->list, HQ_WAITER_PREFIX "%016llx%016llx", (unsigned long long)hq_random(),
           (unsigned long long)hq_random());
  hq_batch_init(&e->batch);
  hq_batch_init(&e->block_batch);
  heroq_status status = hq_endpoint_copy(hq_client_endpoint(c, hq_slice_of(e->list)), &e->endpoint, err);
  int fault = status ? 0 : hq_loop_start(&e->loop, "heroq-await", &ops, e);
  if (fault) hq_fail_errno(err, HEROQ_E_INTERNAL, fault, "the thread for awaits cannot be started");
  if (!status && !fault) return e;
  e->loop.wake = (hq_notice){.rfd = -1, .wfd = -1};
  destroy(e);
  return NULL;
}

heroq_status hq_await_engine_of(heroq_client *c, hq_await_engine **out, heroq_error *err) {
  hq_engine_slot *slot = hq_client_engine_slot(c);
  pthread_mutex_lock(&slot->lock);
  heroq_status status = hq_client_enter(c, err); /* under the lock: close has come before, or will close this engine */
  if (status == HEROQ_OK && !slot->engine) {
    slot->engine = make(c, err);
    slot->close = client_closes;
    slot->gone = client_is_gone;
    if (!slot->engine) status = err ? err->code : HEROQ_E_INTERNAL;
  }
  if (status == HEROQ_OK) {
    *out = slot->engine;
    atomic_fetch_add(&(*out)->refs, 1);
  }
  pthread_mutex_unlock(&slot->lock);
  return status;
}
