/* What one pipeline of the await engine asks, and what follows from its answers. */
#include <stdlib.h>
#include <string.h>

#include "await_inside.h"
#include "clock.h"
#include "errors.h"
#include "index.h"
#include "keys_private.h"
#include "stop.h"
#include "store.h"
#include "wire.h"

#define TEND_EVERY_MS 3000
#define CARES_KEPT 64
#define RETRY_MS 500    /* after an answer like LOADING */
#define LAST_LOOK_MS 60 /* before a tag's time is over: a foreign actor may have written just now */

/* ---- queues ---- */

static hq_care *care_for(hq_await_engine *e, hq_slice queue_key) {
  hq_care *c = hq_map_find(&e->cares, queue_key);
  if (c) return c;
  hq_buf key = {0};
  hq_buf_add(&key, queue_key.p, queue_key.n);
  c = calloc(1, sizeof *c);
  if (!c || !hq_heap_reserve(&e->tends, e->cares.count + 1) || key.failed ||
      !hq_qkeys_init(&c->queue, hq_buf_cstr(&key))) {
    free(c);
    c = NULL;
  } else {
    c->tend.owner = c;
    hq_map_add(&e->cares, &c->by_key, c->queue.key[HQ_Q], c);
  }
  hq_buf_free(&key);
  return c;
}

static void free_care(hq_await_engine *e, hq_care *c) {
  hq_heap_set(&e->tends, &c->tend, HQ_NEVER);
  hq_map_remove(&e->cares, &c->by_key);
  hq_qkeys_free(&c->queue);
  free(c);
}

static void care_begins(hq_await_engine *e, hq_target *t, hq_care *c, int64_t now) {
  if (t->care || !c) return;
  t->care = c;
  if (c->targets++ == 0) hq_heap_set(&e->tends, &c->tend, now + hq_jitter(TEND_EVERY_MS));
}

static void care_ends(hq_await_engine *e, hq_target *t) {
  hq_care *c = t->care;
  t->care = NULL;
  if (!c || --c->targets) return;
  hq_heap_set(&e->tends, &c->tend, HQ_NEVER);
  if (e->cares.count > CARES_KEPT) free_care(e, c);
}

void hq_turn_tend(hq_await_engine *e, int64_t now) {
  for (hq_care *c; (c = hq_heap_due(&e->tends, now)) != NULL;) {
    hq_heap_set(&e->tends, &c->tend, now + hq_jitter(TEND_EVERY_MS));
    if (!e->lonely) e->lonely = hq_lonely_start();
    if (e->lonely) hq_lonely_tend(e->lonely, e->client, c->queue.key[HQ_Q].p);
  }
}

/* ---- targets ---- */

static hq_target *new_target(hq_await_engine *e, const char *id) {
  size_t n = strlen(id);
  hq_target *t = calloc(1, sizeof *t);
  hq_buf text = {0};
  hq_buf_add(&text, id, n + 1);
  size_t job = text.n;
  hq_key_job(&text, (hq_slice){id, n});
  hq_buf_char(&text, 0);
  size_t reply = text.n;
  hq_key_reply_of(&text, (hq_slice){id, n});
  hq_buf_char(&text, 0);
  if (!t || text.failed || !hq_heap_reserve(&e->looks, e->targets.count + 1)) {
    hq_buf_free(&text);
    free(t);
    return NULL;
  }
  t->id = text.p;
  t->job_key = text.p + job;
  t->reply_key = text.p + reply;
  t->look = (hq_timer){.at = HQ_NEVER, .owner = t};
  hq_map_add(&e->targets, &t->by_id, (hq_slice){t->id, n}, t);
  return t;
}

static void free_if_done(hq_await_engine *e, hq_target *t) {
  if (t->count || t->in_flight) return;
  if (t->has_list) hq_buf_add(&e->dels, t->reply_key, strlen(t->reply_key) + 1);
  care_ends(e, t);
  hq_heap_set(&e->looks, &t->look, HQ_NEVER);
  hq_map_remove(&e->targets, &t->by_id);
  hq_watch_free(&t->watch);
  hq_buf_free(&t->value);
  free(t->id);
  free(t);
}

static void attach(hq_target *t, hq_await *a) {
  a->target = t;
  a->prev = NULL;
  a->next = t->awaits;
  if (a->next) a->next->prev = a;
  t->awaits = a;
  t->count++;
}

/* The tag leaves its target, and the engine's reference goes. An item of the pipeline has one of its own. */
static void detach(hq_await_engine *e, hq_await *a) {
  hq_target *t = a->target;
  if (!t) return;
  hq_heap_set(&e->timers, &a->timer, HQ_NEVER);
  if (a->prev)
    a->prev->next = a->next;
  else
    t->awaits = a->next;
  if (a->next) a->next->prev = a->prev;
  a->target = NULL;
  t->count--;
  if (a->stage == HQ_A_WAIT) t->waiting--;
  e->awaits--;
  free_if_done(e, t);
  hq_await_unref(a);
}

static void finish(hq_await_engine *e, hq_await *a, heroq_status status, bool failed, hq_slice payload, uint32_t flags,
                   const char *text) {
  hq_waiter_complete(a, status, failed, payload, flags, text);
  detach(e, a);
}

static void finish_with(hq_await_engine *e, hq_await *a, const heroq_error *why) {
  finish(e, a, why->code, false, HQ_SLICE_NONE, why->flags, why->text);
}

static void finish_stop(hq_await_engine *e, hq_await *a) {
  hq_waiter_answer(a, NULL, a->told);
  detach(e, a);
}

/* All tags that wait for the target end alike. The target may be gone afterwards, unless it is in flight. */
static void finish_target(hq_await_engine *e, hq_target *t, heroq_status status, bool failed, hq_slice payload,
                          uint32_t flags, const char *text) {
  for (hq_await *a = t->awaits, *next; a; a = next) {
    next = a->next;
    if (a->stage == HQ_A_WAIT) finish(e, a, status, failed, payload, flags, text);
  }
}

/* The next look, a last one shortly before a tag's time is over included. */
static void look_later(hq_await_engine *e, hq_target *t, int64_t now, int64_t pause) {
  int64_t at = now + pause;
  for (const hq_await *a = t->awaits; a; a = a->next)
    if (a->deadline != HQ_NEVER && a->deadline - LAST_LOOK_MS > now && a->deadline - LAST_LOOK_MS < at)
      at = a->deadline - LAST_LOOK_MS;
  hq_heap_set(&e->looks, &t->look, t->waiting ? at : HQ_NEVER);
}

static void now_waits(hq_await_engine *e, hq_await *a, int64_t now, int64_t pause) {
  hq_target *t = a->target;
  a->stage = HQ_A_WAIT;
  heroq_job_free(a->job);
  a->job = NULL;
  if (!t) return;
  t->waiting++;
  if (a->orphan)
    detach(e, a);
  else if (!t->in_flight)
    look_later(e, t, now, t->dirty ? 0 : pause);
}

/* ---- what comes from the waiters ---- */

static void no_memory(hq_await *a) {
  hq_waiter_complete(a, HEROQ_E_NOMEM, false, HQ_SLICE_NONE, 0, "no memory to await the job");
  hq_await_unref(a);
}

void hq_turn_add(hq_await_engine *e, hq_await *a, int64_t now) {
  bool over = hq_waiter_is_done(a);
  if (over && (!a->job || hq_waiter_is_closed(a->waiter))) {
    hq_await_unref(a);
    return;
  }
  hq_target *t = hq_map_find(&e->targets, hq_slice_of(a->id));
  if (!hq_heap_reserve(&e->timers, e->awaits + 1) || (!t && !(t = new_target(e, a->id)))) {
    no_memory(a);
    return;
  }
  attach(t, a);
  e->awaits++;
  a->orphan = over;
  if (a->job && !t->care) {
    hq_buf key = {0};
    if (hq_job_queue_key(a->job, &key, NULL) == HEROQ_OK) care_begins(e, t, care_for(e, (hq_slice){key.p, key.n}), now);
    hq_buf_free(&key);
  }
  hq_heap_set(&e->timers, &a->timer, a->deadline);
  hq_engine_todo(e, a);
}

/* Answered by the server in no time, or not at all: nobody is to wait for one that cannot be reached. */
static bool is_request(const hq_await *a) { return a->job || a->stage >= HQ_A_FETCH; }

/* To be carried out, or to its end, though nobody waits any more. */
static bool must_go_on(const hq_await *a) {
  return a->job || a->stage == HQ_A_TELL || (a->stage == HQ_A_CANCEL && a->in_flight);
}

void hq_turn_end(hq_await_engine *e, hq_await *a) {
  if (!a->target) return; /* it has ended, or its add is still to come */
  if (must_go_on(a) && !hq_waiter_is_closed(a->waiter)) {
    a->orphan = true;
    hq_heap_set(&e->timers, &a->timer, HQ_NEVER);
  } else
    detach(e, a);
}

void hq_turn_timeout(hq_await_engine *e, hq_await *a) {
  bool maybe_done = a->in_flight || a->stage == HQ_A_TELL;
  const char *text = a->job          ? "the server has not taken the job in time"
                     : is_request(a) ? "the server has not answered in time"
                                     : "the job has not ended in time; it goes on";
  hq_waiter_complete(a, HEROQ_E_TIMEOUT, false, HQ_SLICE_NONE, HEROQ_RETRYABLE | (maybe_done ? HEROQ_MAYBE_DONE : 0),
                     text);
  if (must_go_on(a) && maybe_done)
    a->orphan = true;
  else
    detach(e, a);
}

void hq_turn_replied(hq_await_engine *e, hq_slice payload, int64_t now) {
  const char *space = payload.n ? memchr(payload.p, ' ', payload.n) : NULL;
  hq_slice id = {payload.p, space ? (size_t)(space - payload.p) : payload.n};
  hq_target *t = id.n ? hq_map_find(&e->targets, id) : NULL;
  if (!t) return;
  if (t->in_flight || !t->waiting)
    t->dirty = true;
  else
    hq_heap_set(&e->looks, &t->look, now);
}

void hq_turn_look_at_all(hq_await_engine *e) {
  for (hq_target *t = hq_map_next(&e->targets, NULL); t; t = hq_map_next(&e->targets, &t->by_id))
    if (t->waiting && !t->in_flight) hq_heap_set(&e->looks, &t->look, 0);
}

/* ---- asking ---- */

static hq_await_item *new_item(hq_await_engine *e, enum hq_await_op op) {
  if (e->items == e->item_cap) {
    uint32_t cap = e->item_cap ? e->item_cap * 2 : 64;
    hq_await_item *grown = realloc(e->item, cap * sizeof *grown);
    if (!grown) return NULL;
    e->item = grown;
    e->item_cap = cap;
  }
  hq_await_item *i = &e->item[e->items++];
  *i = (hq_await_item){.op = op};
  return i;
}

static void put_push(hq_await_engine *e, hq_await *a) {
  hq_slice id = hq_slice_of(a->id);
  const hq_care *c = a->target->care;
  hq_put_push(&e->batch, &c->queue, &id, 1, a->job->delay, a->job->at, a->job->urgent, e->intents);
}

/* Once a process and queue, behind the push; its answer does not matter. */
static void put_register(hq_await_engine *e, const hq_care *c) {
  if (!hq_client_queue_is_new(e->client, c->queue.key[HQ_Q].p)) return;
  if (!new_item(e, HQ_AO_PLAIN)) return;
  hq_put_register(&e->batch, c->queue.key[HQ_Q], hq_wall_ms());
  hq_client_queue_known(e->client, c->queue.key[HQ_Q].p);
}

/* Behind the push. */
static void put_index(hq_await_engine *e, hq_await *a) {
  hq_await_item *i = new_item(e, HQ_AO_INDEX);
  if (!i) return;
  i->at = e->batch.count;
  hq_index_put(e->client, &e->batch, &a->job, 1);
  i->behind = e->batch.count;
  if (i->behind == i->at) e->items--; /* the client keeps none */
}

/* CREATE alone where the id is guarded: only its answer says whether the id may be pushed. */
static bool put_create(hq_await_engine *e, hq_await *a) {
  if (e->intents && new_item(e, HQ_AO_PLAIN))
    hq_put_intent(&e->batch, &a->target->care->queue, hq_slice_of(a->id), a->job->delay, a->job->at);
  hq_await_item *i = new_item(e, HQ_AO_CREATE);
  if (!i) return false;
  i->await = a;
  i->at = e->batch.count;
  if (hq_store_put(&e->batch, a->job, hq_slice_of(e->list))) return true;
  hq_await_item *push = new_item(e, HQ_AO_PUSH);
  if (!push) return true; /* the hash is written; its answer leads to the push */
  push->await = a;
  hq_await_ref(a);
  push->at = e->batch.count;
  put_push(e, a);
  put_index(e, a);
  return true;
}

/* What a FETCH or a stop asks next. */
static bool put_request(hq_await_engine *e, hq_await *a) {
  enum hq_await_op op = a->stage == HQ_A_FETCH ? HQ_AO_FETCH : a->stage == HQ_A_CANCEL ? HQ_AO_CANCEL : HQ_AO_TELL;
  hq_await_item *i = new_item(e, op);
  if (!i) return false;
  uint32_t at = e->batch.count;
  if (op == HQ_AO_FETCH)
    hq_batch_words(&e->batch, "HGETALL", a->target->job_key, NULL);
  else if (op == HQ_AO_CANCEL)
    hq_put_cancel(&e->batch, a->target->job_key);
  else
    hq_stop_put(&e->batch, hq_slice_of(a->id), &a->cancel, NULL);
  if (e->batch.count == at) { /* no memory */
    e->items--;
    return false;
  }
  i->await = a;
  i->at = at;
  hq_await_ref(a);
  a->in_flight = true;
  return true;
}

static bool put_one(hq_await_engine *e, hq_await *a) {
  if (a->stage >= HQ_A_FETCH) return put_request(e, a);
  if (a->job && !a->target->care) {
    heroq_error why;
    hq_fail_nomem(&why);
    finish_with(e, a, &why);
    return true;
  }
  bool put = true;
  if (a->stage == HQ_A_CREATE)
    put = put_create(e, a);
  else {
    hq_await_item *i = new_item(e, a->stage == HQ_A_PUSH ? HQ_AO_PUSH : HQ_AO_OPEN);
    if (!i) return false;
    i->await = a;
    if (a->stage == HQ_A_PUSH) { /* behind a CREATE: the hash may have been written without our list */
      hq_put_await(&e->batch, a->target->job_key, hq_slice_of(e->list));
      i->at = e->batch.count;
      put_push(e, a);
      put_index(e, a);
    } else {
      i->at = e->batch.count;
      hq_put_await(&e->batch, a->target->job_key, hq_slice_of(e->list));
    }
  }
  if (!put) return false;
  hq_await_ref(a);
  a->in_flight = true;
  if (a->job) put_register(e, a->target->care);
  return true;
}

static void put_look(hq_await_engine *e, hq_target *t) {
  hq_await_item *i = new_item(e, t->settle ? HQ_AO_SETTLE : HQ_AO_LOOK);
  if (!i) {
    hq_heap_set(&e->looks, &t->look, hq_mono_ms() + RETRY_MS);
    return;
  }
  i->target = t;
  t->in_flight = true;
  t->dirty = false;
  if (t->settle) {
    i->at = e->batch.count;
    hq_put_settle(&e->batch, t->job_key, t->settle == HQ_W_SETTLE_OUTPUT, (hq_slice){t->value.p, t->value.n});
    return;
  }
  i->with_reply = hq_watch_wants_reply(&t->watch);
  /* the reply first: what is written to the hash before it is seen then */
  if (i->with_reply) hq_batch_words(&e->batch, "LINDEX", t->reply_key, "-1", NULL);
  i->at = e->batch.count;
  hq_put_await(&e->batch, t->job_key, HQ_SLICE_NONE);
}

bool hq_turn_has_work(const hq_await_engine *e, int64_t now) {
  return e->todo || e->dels.n || hq_heap_next(&e->looks) <= now;
}

void hq_turn_put(hq_await_engine *e, int64_t now) {
  hq_batch_reset(&e->batch);
  e->items = 0;
  for (int n = 0; n < HQ_TURN_MOST && e->todo; n++) {
    hq_await *a = e->todo;
    e->todo = a->next_todo;
    if (!e->todo) e->todo_last = &e->todo;
    if (a->target && !put_one(e, a)) {
      hq_engine_todo(e, a);
      hq_await_unref(a);
      break;
    }
    hq_await_unref(a); /* the list's */
  }
  for (int n = 0; n < HQ_TURN_MOST; n++) {
    hq_target *t = hq_heap_due(&e->looks, now);
    if (!t) break;
    put_look(e, t);
  }
  for (size_t at = 0; at < e->dels.n; at += strlen(e->dels.p + at) + 1)
    if (new_item(e, HQ_AO_PLAIN)) hq_batch_words(&e->batch, "DEL", e->dels.p + at, NULL);
  e->dels.n = 0;
}

/* ---- answers ---- */

/* Unanswered: repeated when the connection is back. Every repeat is harmless. */
static void again(hq_await_engine *e, hq_await *a) {
  if (a->target && a->stage != HQ_A_WAIT) hq_engine_todo(e, a);
}

static void created(hq_await_engine *e, const hq_await_item *i, bool push_follows) {
  hq_await *a = i->await;
  heroq_error why;
  if (!a->target) return;
  if (!hq_batch_reply(&e->batch, i->at))
    again(e, a);
  else if (hq_store_answer(&e->batch, i->at, a->job, &why))
    finish_with(e, a, &why);
  else {
    a->stage = HQ_A_PUSH;
    if (!push_follows) hq_engine_todo(e, a);
  }
}

static void pushed(hq_await_engine *e, const hq_await_item *i, int64_t now) {
  hq_await *a = i->await;
  const hq_reply *r = hq_batch_reply(&e->batch, i->at);
  heroq_error why;
  if (!a->target || a->stage != HQ_A_PUSH) return; /* its CREATE failed, or is to be repeated */
  if (!r)
    again(e, a);
  else if (hq_reply_to_error(r, a->target->care->queue.key[HQ_Q].p, &why))
    finish_with(e, a, &why);
  else
    now_waits(e, a, now, HQ_WATCH_FIRST_MS);
}

static void learn_queue(hq_await_engine *e, hq_target *t, const hq_awaited *a, int64_t now) {
  hq_buf key = {0};
  hq_slice part;
  if (t->care || !a->exists) return;
  if (a->queue.n && hq_key_queue_parts(a->queue, &part, &part, &part))
    hq_buf_add(&key, a->queue.p, a->queue.n);
  else if (hq_name_ok(a->script_type))
    hq_key_queue(&key, a->script_type.p, NULL, NULL);
  if (key.n && !key.failed) care_begins(e, t, care_for(e, (hq_slice){key.p, key.n}), now);
  hq_buf_free(&key);
}

/* Remembers what is to be settled with the next turn. */
static void settle_next(hq_await_engine *e, hq_target *t, int verdict, hq_slice value, int64_t now) {
  t->value.n = 0;
  hq_buf_add(&t->value, value.p, value.n);
  if (t->value.failed) {
    hq_buf_free(&t->value);
    look_later(e, t, now, RETRY_MS);
    return;
  }
  t->settle = verdict;
  hq_heap_set(&e->looks, &t->look, t->waiting ? now : HQ_NEVER);
}

static void judge(hq_await_engine *e, hq_target *t, const hq_reply *r, int64_t now) {
  hq_awaited a;
  heroq_error why;
  bool again_soon = t->dirty;
  if (!r) {
    look_later(e, t, now, 0);
    return;
  }
  if (hq_reply_to_error(r, t->job_key, &why) || !hq_get_awaited(r, &a)) {
    if (r->type != HQ_ERROR)
      hq_fail(&why, HEROQ_E_PROTOCOL, "%s: an answer that heroq does not understand", t->job_key);
    if (why.flags & HEROQ_RETRYABLE)
      look_later(e, t, now, hq_jitter(RETRY_MS));
    else
      finish_target(e, t, why.code, false, HQ_SLICE_NONE, why.flags, why.text);
    return;
  }
  int verdict = hq_watch_look(&t->watch, &a, now);
  learn_queue(e, t, &a, now);
  if (verdict == HQ_W_FINISHED || verdict == HQ_W_FAILED) {
    bool failed = verdict == HQ_W_FAILED;
    if (!a.has_token) t->has_list = true; /* a foreign actor may reply as well */
    finish_target(e, t, failed ? HEROQ_E_FAILED : HEROQ_OK, failed, failed ? a.error : a.output, 0, NULL);
  } else if (verdict == HQ_W_EXPIRED)
    finish_target(e, t, HEROQ_E_EXPIRED, false, HQ_SLICE_NONE, 0, "the job's hash is gone");
  else if (verdict == HQ_W_SETTLE_OUTPUT)
    settle_next(e, t, verdict, a.output, now);
  else if (verdict == HQ_W_SETTLE_REPLY)
    settle_next(e, t, verdict, (hq_slice){t->watch.reply.p, t->watch.reply.n}, now);
  else
    look_later(e, t, now, again_soon ? 0 : hq_watch_pause(&t->watch, now));
}

static void looked(hq_await_engine *e, const hq_await_item *i, int64_t now) {
  hq_target *t = i->target;
  if (i->with_reply) {
    hq_slice reply = hq_reply_str(hq_batch_reply(&e->batch, i->at - 1));
    if (reply.p) {
      t->has_list = true;
      hq_watch_reply(&t->watch, reply, now);
    }
  }
  judge(e, t, hq_batch_reply(&e->batch, i->at), now);
  t->in_flight = false;
  free_if_done(e, t);
}

static void settled(hq_await_engine *e, const hq_await_item *i, int64_t now) {
  hq_target *t = i->target;
  t->settle = 0;
  if (hq_reply_int(hq_batch_reply(&e->batch, i->at), 0) == 1)
    finish_target(e, t, HEROQ_OK, false, (hq_slice){t->value.p, t->value.n}, 0, NULL);
  else
    look_later(e, t, now, HQ_WATCH_FIRST_MS);
  hq_buf_free(&t->value);
  t->in_flight = false;
  free_if_done(e, t);
}

static void fetched(hq_await_engine *e, hq_await *a, const hq_reply *r) {
  heroq_job *job = NULL;
  heroq_record *fields = NULL;
  heroq_error why;
  heroq_status status = hq_reply_to_error(r, a->target->job_key, &why);
  if (status == HEROQ_OK) status = hq_wire_job_from_hash(hq_slice_of(a->id), r, &job, &why);
  if (status == HEROQ_OK) status = heroq_job_to_record(job, &fields, &why);
  heroq_job_free(job);
  if (status) {
    finish_with(e, a, &why);
    return;
  }
  hq_waiter_answer(a, fields, NULL);
  detach(e, a);
}

/* What is left to do, if anything is, has to wait for the next turn: this answer's memory ends with it. */
static void cancelled(hq_await_engine *e, hq_await *a, const hq_reply *r) {
  hq_batch rest;
  heroq_error why;
  hq_batch_init(&rest);
  heroq_status status = hq_stop_read(r, a->target->job_key, &a->cancel, &a->told, &why);
  if (status == HEROQ_OK) status = hq_stop_put(&rest, hq_slice_of(a->id), &a->cancel, &why);
  bool more = rest.count > 0;
  hq_batch_free(&rest);
  if (status == HEROQ_OK && more && !hq_stop_keep(&a->cancel, &a->kept)) status = hq_fail_nomem(&why);
  if (status)
    finish_with(e, a, &why);
  else if (!more)
    finish_stop(e, a);
  else {
    a->stage = HQ_A_TELL;
    hq_engine_todo(e, a);
  }
}

static void told(hq_await_engine *e, hq_await *a, const hq_reply *r) {
  heroq_error why;
  if (hq_reply_to_error(r, "what follows a stop", &why))
    finish_with(e, a, &why);
  else
    finish_stop(e, a);
}

static void request_answered(hq_await_engine *e, const hq_await_item *i) {
  hq_await *a = i->await;
  const hq_reply *r = hq_batch_reply(&e->batch, i->at);
  if (!a->target) return;
  if (!r)
    again(e, a);
  else if (i->op == HQ_AO_FETCH)
    fetched(e, a, r);
  else if (i->op == HQ_AO_CANCEL)
    cancelled(e, a, r);
  else
    told(e, a, r);
}

/* Of a broken connection too: what has no reply says it. */
void hq_turn_answer(hq_await_engine *e, int64_t now) {
  heroq_error why;
  for (uint32_t n = 0; n < e->items; n++) {
    const hq_await_item *i = &e->item[n];
    hq_await *a = i->await;
    if (a && i->op != HQ_AO_CREATE) a->in_flight = false;
    if (i->op == HQ_AO_CREATE) {
      bool push_follows = n + 1 < e->items && e->item[n + 1].op == HQ_AO_PUSH && e->item[n + 1].await == a;
      a->in_flight = push_follows;
      created(e, i, push_follows);
    } else if (i->op == HQ_AO_PUSH)
      pushed(e, i, now);
    else if (i->op == HQ_AO_OPEN && a->target) {
      const hq_reply *r = hq_batch_reply(&e->batch, i->at);
      if (!r)
        again(e, a);
      else {
        hq_target *t = a->target;
        now_waits(e, a, now, HQ_WATCH_FIRST_MS);
        if (a->target && !t->in_flight) judge(e, t, r, now); /* it looks as well */
      }
    } else if (i->op == HQ_AO_LOOK)
      looked(e, i, now);
    else if (i->op == HQ_AO_SETTLE)
      settled(e, i, now);
    else if (i->op == HQ_AO_FETCH || i->op == HQ_AO_CANCEL || i->op == HQ_AO_TELL)
      request_answered(e, i);
    else if (i->op == HQ_AO_INDEX && hq_index_refused(&e->batch, i->at, i->behind, &why))
      hq_events_add(e->events, HQ_WARNING, why.code, "%s", why.text);
    if (a) hq_await_unref(a);
  }
  e->items = 0;
}

/* ---- faults ---- */

void hq_turn_fail(hq_await_engine *e, bool all, const heroq_error *why) {
  hq_await *found = NULL; /* by next_todo, referenced */
  hq_await *todo = e->todo;
  e->todo = NULL;
  e->todo_last = &e->todo;
  /* out of the list, whose links the collection uses; what waits for somebody else's job goes on waiting */
  for (hq_await *a = todo, *next; a; a = next) {
    next = a->next_todo;
    if (!all && a->target && !is_request(a)) hq_engine_todo(e, a);
    hq_await_unref(a);
  }
  for (hq_target *t = hq_map_next(&e->targets, NULL); t; t = hq_map_next(&e->targets, &t->by_id))
    for (hq_await *a = t->awaits; a; a = a->next) {
      if (!all && (!is_request(a) || a->in_flight)) continue;
      hq_await_ref(a);
      a->next_todo = found;
      found = a;
    }
  for (hq_await *a = found, *next; a; a = next) {
    next = a->next_todo;
    if (why)
      finish_with(e, a, why);
    else
      detach(e, a);
    hq_await_unref(a);
  }
}
