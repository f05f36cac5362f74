/* The waiter as callers see it: tags, completions, the descriptor. The work is the engine's. */
#include <stdlib.h>
#include <string.h>

#include "await.h"
#include "await_engine.h"
#include "clock.h"
#include "closing.h"
#include "errors.h"
#include "keys_private.h"
#include "record_private.h"
#include "store.h"

#define MAX_TAG 9007199254740991

struct heroq_waiter {
  hq_life life;
  heroq_client *client;
  hq_await_engine *engine;
  hq_child child;
  pthread_mutex_t lock;
  /* under lock */
  hq_map tags; /* until the completion is taken */
  hq_await *done, **done_last;
  hq_waitq takers;
  hq_notice notice;
  bool has_notice;
};

/* ---- one tag ---- */

void hq_await_ref(hq_await *a) { atomic_fetch_add(&a->refs, 1); }

static void waiter_unref(void *self);

void hq_await_unref(hq_await *a) {
  if (atomic_fetch_sub(&a->refs, 1) != 1) return;
  heroq_waiter *w = a->waiter;
  heroq_job_free(a->job);
  hq_buf_free(&a->payload);
  hq_buf_free(&a->kept);
  heroq_record_free(a->fields);
  free(a->text);
  free(a->id);
  free(a);
  waiter_unref(w);
}

static hq_await *new_await(heroq_waiter *w, const char *id, heroq_job *job, enum hq_await_stage stage, int64_t tag,
                           int64_t timeout_ms) {
  hq_await *a = calloc(1, sizeof *a);
  if (!a || !(a->id = hq_strdup(id))) {
    free(a);
    return NULL;
  }
  atomic_init(&a->refs, 1);
  hq_life_ref(&w->life);
  a->waiter = w;
  a->tag = tag;
  a->deadline = hq_deadline(hq_mono_ms(), timeout_ms);
  a->stage = stage;
  a->timer.owner = a;
  a->job = job;
  if (job) hq_job_ref(job);
  return a;
}

static hq_slice tag_key(const int64_t *tag) { return (hq_slice){(const char *)tag, sizeof *tag}; }

/* ---- completions, with the lock ---- */

static void complete(heroq_waiter *w, hq_await *a, heroq_status status, bool failed, hq_slice payload, uint32_t flags,
                     const char *text) {
  if (a->done) return;
  a->done = true;
  a->status = status;
  a->failed = failed;
  a->flags = flags;
  if (payload.p) hq_buf_add(&a->payload, payload.p, payload.n);
  if (a->payload.failed) {
    hq_buf_free(&a->payload);
    a->status = HEROQ_E_NOMEM;
    text = "no memory for the result";
  }
  a->text = hq_strdup(text);
  a->next_done = NULL;
  *w->done_last = a;
  w->done_last = &a->next_done;
  if (w->has_notice) hq_notice_set(&w->notice);
  hq_waitq_wake_one(&w->takers);
}

void hq_waiter_complete(hq_await *a, heroq_status status, bool failed, hq_slice payload, uint32_t flags,
                        const char *text) {
  pthread_mutex_lock(&a->waiter->lock);
  complete(a->waiter, a, status, failed, payload, flags, text);
  pthread_mutex_unlock(&a->waiter->lock);
}

void hq_waiter_answer(hq_await *a, heroq_record *fields, const char *outcome) {
  pthread_mutex_lock(&a->waiter->lock);
  bool wanted = !a->done;
  if (wanted) {
    a->fields = fields;
    a->outcome = outcome;
  }
  complete(a->waiter, a, HEROQ_OK, false, HQ_SLICE_NONE, 0, NULL);
  pthread_mutex_unlock(&a->waiter->lock);
  if (!wanted) heroq_record_free(fields);
}

bool hq_waiter_is_done(hq_await *a) {
  pthread_mutex_lock(&a->waiter->lock);
  bool done = a->done;
  pthread_mutex_unlock(&a->waiter->lock);
  return done;
}

bool hq_waiter_is_closed(const heroq_waiter *w) { return atomic_load(&w->life.closed) != 0; }

/* The oldest completion, whose table reference becomes the caller's. */
static hq_await *pop_done(heroq_waiter *w) {
  hq_await *a = w->done;
  if (!a) return NULL;
  w->done = a->next_done;
  if (!w->done) {
    w->done_last = &w->done;
    if (w->has_notice && !atomic_load(&w->life.closed)) hq_notice_clear(&w->notice);
  }
  hq_map_remove(&w->tags, &a->by_tag);
  return a;
}

/* ---- life ---- */

static void destroy(heroq_waiter *w) {
  hq_client_disown(w->client, &w->child);
  hq_await_engine_unref(w->engine);
  hq_map_free(&w->tags);
  hq_waitq_free(&w->takers);
  if (w->has_notice) hq_notice_close(&w->notice);
  pthread_mutex_destroy(&w->lock);
  hq_client_unref(w->client);
  free(w);
}

static void child_ref(void *self) { hq_life_ref(&((heroq_waiter *)self)->life); }
static void child_close(void *self) { heroq_waiter_close(self); }

static void waiter_unref(void *self) {
  heroq_waiter *w = self;
  if (hq_life_unref(&w->life)) destroy(w);
}

heroq_status heroq_waiter_open(heroq_client *client, const heroq_options *options, heroq_waiter **out,
                               heroq_error *err) {
  (void)options; /* there is none for waiters yet */
  if (!out) return hq_fail(err, HEROQ_E_INVALID, "heroq_waiter_open: out is NULL");
  *out = NULL;
  hq_await_engine *engine = NULL;
  heroq_status status = hq_client_enter(client, err);
  if (status == HEROQ_OK) status = hq_await_engine_of(client, &engine, err);
  if (status) return status;
  heroq_waiter *w = calloc(1, sizeof *w);
  if (!w || !hq_map_init(&w->tags)) {
    free(w);
    hq_await_engine_unref(engine);
    return hq_fail_nomem(err);
  }
  hq_life_init(&w->life);
  w->client = client;
  w->engine = engine;
  w->done_last = &w->done;
  w->child = (hq_child){.close = child_close, .ref = child_ref, .unref = waiter_unref, .self = w};
  hq_waitq_init(&w->takers);
  pthread_mutex_init(&w->lock, NULL);
  status = hq_client_adopt(client, &w->child, err);
  if (status) {
    hq_client_ref(client); /* destroy gives back what adopt would have taken */
    destroy(w);
    return status;
  }
  *out = w;
  return hq_ok(err);
}

void heroq_waiter_close(heroq_waiter *self) {
  if (!self || hq_life_forked(&self->life)) return;
  hq_await *ended = NULL;
  pthread_mutex_lock(&self->lock);
  bool first = !atomic_exchange(&self->life.closed, 1);
  if (first) {
    for (hq_await *a = hq_map_next(&self->tags, NULL); a; a = hq_map_next(&self->tags, &a->by_tag)) {
      if (a->done) continue;
      complete(self, a, HEROQ_E_CLOSED, false, HQ_SLICE_NONE, 0, "the waiter was closed; the job goes on");
      hq_await_ref(a);
      a->next_ended = ended;
      ended = a;
    }
    if (self->has_notice) hq_notice_set(&self->notice);
    hq_waitq_wake_all(&self->takers);
  }
  pthread_mutex_unlock(&self->lock);
  if (!first) return;
  hq_await_engine_end(self->engine, ended);
  hq_client_disown(self->client, &self->child);
}

void heroq_waiter_free(heroq_waiter *self) {
  if (!self || hq_life_forked(&self->life))
    return; /* in a child its memory is left alone: a lock may be held for ever */
  heroq_waiter_close(self);
  pthread_mutex_lock(&self->lock);
  hq_await *done = self->done;
  self->done = NULL;
  self->done_last = &self->done;
  while (hq_map_pop(&self->tags)) {
  }
  pthread_mutex_unlock(&self->lock);
  for (hq_await *a = done, *next; a; a = next) { /* after close every tag is among these */
    next = a->next_done;
    hq_await_unref(a);
  }
  waiter_unref(self);
}

/* ---- adding ---- */

static heroq_status enter(const heroq_waiter *w, heroq_error *err) {
  heroq_status status = hq_life_enter(w ? &w->life : NULL, "waiter", err);
  return status ? status : hq_client_enter(w->client, err);
}

static heroq_status check_call(const heroq_waiter *w, int64_t tag, int64_t count, int64_t timeout_ms,
                               heroq_error *err) {
  heroq_status status = enter(w, err);
  if (status) return status;
  if (tag < 0 || tag > MAX_TAG - (count > 0 ? count - 1 : 0))
    return hq_fail(err, HEROQ_E_INVALID, "a tag is 0 to 2^53 - 1, not %lld", (long long)tag);
  if (timeout_ms < HEROQ_FOREVER)
    return hq_fail(err, HEROQ_E_INVALID, "a timeout is 0 or more ms, or -1 for ever, not %lld", (long long)timeout_ms);
  return HEROQ_OK;
}

/* With the lock: puts a chain (by next_new) into the table, all or none. */
static heroq_status enter_tags(heroq_waiter *w, hq_await *first, heroq_error *err) {
  if (atomic_load(&w->life.closed)) return hq_fail(err, HEROQ_E_CLOSED, "the waiter is closed");
  for (hq_await *a = first; a; a = a->next_new)
    if (hq_map_find(&w->tags, tag_key(&a->tag)))
      return hq_fail(err, HEROQ_E_STATE, "tag %lld is in use: its completion was not taken yet", (long long)a->tag);
  for (hq_await *a = first; a; a = a->next_new) {
    hq_map_add(&w->tags, &a->by_tag, tag_key(&a->tag), a);
    hq_await_ref(a); /* the engine's; the table has the first */
  }
  return HEROQ_OK;
}

static void free_chain(hq_await *first) {
  for (hq_await *a = first, *next; a; a = next) {
    next = a->next_new;
    hq_await_unref(a);
  }
}

static heroq_status hand_over(heroq_waiter *w, hq_await *first, heroq_error *err) {
  pthread_mutex_lock(&w->lock);
  heroq_status status = enter_tags(w, first, err);
  pthread_mutex_unlock(&w->lock);
  if (status) {
    free_chain(first);
    return status;
  }
  hq_await_engine_add(w->engine, first);
  return hq_ok(err);
}

heroq_status heroq_waiter_submit(heroq_waiter *self, heroq_job *job, int64_t tag, int64_t timeout_ms,
                                 heroq_error *err) {
  heroq_status status = check_call(self, tag, 1, timeout_ms, err);
  if (status == HEROQ_OK) status = hq_store_check(self->client, job, true, err);
  if (status) return status;
  hq_await *a = new_await(self, heroq_job_id(job), job, HQ_A_CREATE, tag, timeout_ms);
  if (!a) return hq_fail_nomem(err);
  hq_store_freeze(job);
  return hand_over(self, a, err);
}

heroq_status heroq_waiter_submit_many(heroq_waiter *self, const heroq_jobs *jobs, int64_t first_tag, int64_t timeout_ms,
                                      heroq_error *err) {
  heroq_status status = check_call(self, first_tag, jobs ? jobs->count : 0, timeout_ms, err);
  if (status) return status;
  if (!jobs) return hq_fail(err, HEROQ_E_INVALID, "heroq_waiter_submit_many: the list of jobs is NULL");
  hq_await *first = NULL, **last = &first;
  for (int32_t i = 0; i < jobs->count && status == HEROQ_OK; i++) {
    status = hq_store_check(self->client, jobs->job[i], true, err);
    if (status == HEROQ_OK) {
      *last = new_await(self, heroq_job_id(jobs->job[i]), jobs->job[i], HQ_A_CREATE, first_tag + i, timeout_ms);
      if (*last)
        last = &(*last)->next_new;
      else
        status = hq_fail_nomem(err);
    }
    if (status) hq_error_set_item(err, i);
  }
  if (status) {
    free_chain(first);
    return status;
  }
  for (int32_t i = 0; i < jobs->count; i++) hq_store_freeze(jobs->job[i]);
  return hand_over(self, first, err);
}

static heroq_status begin(heroq_waiter *w, const char *job_id, enum hq_await_stage stage, int64_t tag,
                          int64_t timeout_ms, heroq_error *err) {
  heroq_status status = check_call(w, tag, 1, timeout_ms, err);
  if (status) return status;
  if (!job_id || !hq_wire_id_ok(hq_slice_of(job_id)))
    return hq_fail(err, HEROQ_E_INVALID, "a job id is 1 to 256 printable characters without space and braces");
  hq_await *a = new_await(w, job_id, NULL, stage, tag, timeout_ms);
  return a ? hand_over(w, a, err) : hq_fail_nomem(err);
}

heroq_status heroq_waiter_add(heroq_waiter *self, const char *job_id, int64_t tag, int64_t timeout_ms,
                              heroq_error *err) {
  return begin(self, job_id, HQ_A_OPEN, tag, timeout_ms, err);
}

heroq_status heroq_waiter_fetch(heroq_waiter *self, const char *job_id, int64_t tag, int64_t timeout_ms,
                                heroq_error *err) {
  return begin(self, job_id, HQ_A_FETCH, tag, timeout_ms, err);
}

heroq_status heroq_waiter_stop(heroq_waiter *self, const char *job_id, int64_t tag, int64_t timeout_ms,
                               heroq_error *err) {
  return begin(self, job_id, HQ_A_CANCEL, tag, timeout_ms, err);
}

heroq_status heroq_waiter_cancel(heroq_waiter *self, int64_t tag, heroq_error *err) {
  heroq_status status = enter(self, err);
  if (status) return status;
  pthread_mutex_lock(&self->lock);
  hq_await *a = hq_map_find(&self->tags, tag_key(&tag));
  if (a && !a->done) {
    complete(self, a, HEROQ_E_CANCELLED, false, HQ_SLICE_NONE, 0, "the wait was cancelled; the job goes on");
    hq_await_ref(a);
    a->next_ended = NULL;
  } else
    a = NULL;
  pthread_mutex_unlock(&self->lock);
  if (a) hq_await_engine_end(self->engine, a);
  return hq_ok(err);
}

/* ---- taking ---- */

static heroq_status make_record(hq_await *a, heroq_record **out, heroq_error *err) {
  char text[HEROQ_ERROR_TEXT];
  heroq_record *r = hq_record_new();
  hq_record_add_int(r, "tag", a->tag);
  hq_record_add_int(r, "status", a->status);
  hq_record_add_int(r, "flags", a->flags);
  hq_record_add_text(r, "job_id", a->id);
  hq_slice payload = {a->payload.p ? a->payload.p : "", a->payload.n};
  if (a->fields) {
    hq_record_add_child(r, "job", a->fields);
    a->fields = NULL;
  } else if (a->outcome)
    hq_record_add_text(r, "outcome", a->outcome);
  else if (a->status == HEROQ_OK || a->failed)
    hq_record_add_bytes(r, a->failed ? "error" : "output", payload);
  hq_escape(text, sizeof text,
            a->failed ? payload.p
            : a->text ? a->text
                      : "",
            a->failed ? payload.n
            : a->text ? strlen(a->text)
                      : 0);
  hq_record_add_text(r, "text", text);
  return hq_record_finish(r, out, err);
}

/* HEROQ_OK with *out, or NULL when none came in time. */
static heroq_status take(heroq_waiter *w, int64_t timeout_ms, hq_await **out, heroq_call *call, heroq_error *err) {
  int64_t deadline = hq_wait_deadline(timeout_ms, call);
  heroq_status waited = heroq_call_is_cancelled(call) ? HEROQ_E_CANCELLED : HEROQ_OK;
  pthread_mutex_lock(&w->lock);
  while (waited == HEROQ_OK && !(*out = pop_done(w)) && !atomic_load(&w->life.closed))
    waited = hq_waitq_wait(&w->takers, &w->lock, deadline, call);
  pthread_mutex_unlock(&w->lock);
  if (*out) return HEROQ_OK;
  if (waited == HEROQ_OK) return hq_fail(err, HEROQ_E_CLOSED, "the waiter is closed and all completions were taken");
  return hq_nothing_came(waited, timeout_ms, call, "a completion", err);
}

heroq_status heroq_waiter_take(heroq_waiter *self, int64_t timeout_ms, heroq_record **out, heroq_call *call,
                               heroq_error *err) {
  if (!out) return hq_fail(err, HEROQ_E_INVALID, "heroq_waiter_take: out is NULL");
  *out = NULL;
  heroq_status status = hq_life_enter(self ? &self->life : NULL, "waiter", err);
  if (status && status != HEROQ_E_CLOSED) return status; /* what completed before the close can still be taken */
  hq_await *a = NULL;
  status = take(self, timeout_ms, &a, call, err);
  if (!a) return status;
  status = make_record(a, out, err);
  hq_await_unref(a);
  return status ? status : hq_ok(err);
}

int32_t heroq_waiter_fd(heroq_waiter *self) {
  if (!self || hq_life_forked(&self->life)) return -1;
  pthread_mutex_lock(&self->lock);
  if (!self->has_notice && hq_notice_open(&self->notice) == 0) {
    self->has_notice = true;
    if (self->done || atomic_load(&self->life.closed)) hq_notice_set(&self->notice);
  }
  int32_t fd = self->has_notice ? self->notice.rfd : -1;
  pthread_mutex_unlock(&self->lock);
  return fd;
}

int32_t heroq_waiter_count(const heroq_waiter *self) {
  if (!self || hq_life_forked(&self->life)) return 0;
  heroq_waiter *w = (heroq_waiter *)(uintptr_t)self; /* the lock is no part of what is promised not to change */
  pthread_mutex_lock(&w->lock);
  int32_t count = (int32_t)w->tags.count;
  pthread_mutex_unlock(&w->lock);
  return count;
}

/* ---- a blocking await by way of the engine ---- */

static bool enlist(heroq_supervisor *s, hq_shared_await *a) {
  pthread_mutex_lock(&s->lock);
  bool open = !atomic_load(&s->closing.life.closed);
  if (open) {
    a->next = s->awaits;
    if (a->next) a->next->prev = a;
    s->awaits = a;
  }
  pthread_mutex_unlock(&s->lock);
  return open;
}

static void delist(heroq_supervisor *s, hq_shared_await *a) {
  pthread_mutex_lock(&s->lock);
  if (a->prev)
    a->prev->next = a->next;
  else
    s->awaits = a->next;
  if (a->next) a->next->prev = a->prev;
  pthread_mutex_unlock(&s->lock);
}

static heroq_status as_result(hq_await *a, heroq_bytes **out, heroq_error *err) {
  heroq_status status = a->status;
  if (status == HEROQ_OK || a->failed)
    return hq_await_result(a->failed, (hq_slice){a->payload.p, a->payload.n}, out, err);
  hq_fail(err, status, "%s", a->text ? a->text : heroq_status_text(status));
  hq_error_flag(err, a->flags);
  return status;
}

heroq_status hq_await_shared(heroq_supervisor *s, const char *job_id, heroq_job *job, int64_t timeout_ms,
                             heroq_bytes **out, heroq_call *call, heroq_error *err) {
  hq_shared_await shared = {0};
  hq_await *a = NULL;
  heroq_status status = heroq_waiter_open(s->client, NULL, &shared.waiter, err);
  if (status) return status;
  if (enlist(s, &shared)) {
    status = job ? heroq_waiter_submit(shared.waiter, job, 0, timeout_ms, err)
                 : heroq_waiter_add(shared.waiter, job_id, 0, timeout_ms, err);
    if (status == HEROQ_OK) status = take(shared.waiter, HEROQ_FOREVER, &a, call, err);
    delist(s, &shared);
  } else
    status = hq_fail(err, HEROQ_E_CLOSED, "the supervisor is closed");
  if (a) {
    status = as_result(a, out, err);
    hq_await_unref(a);
  } else if (status == HEROQ_E_TIMEOUT)
    status = hq_await_timeout(job_id, err);
  heroq_waiter_free(shared.waiter);
  return status;
}
