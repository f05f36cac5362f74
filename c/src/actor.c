/* The actor as its callers see it: takes, events, going down. What they share with the engine stands under its lock. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "actor_open.h"
#include "engine.h"
#include "errors.h"
#include "record_private.h"

#define RATE_WINDOW_MS 5
#define WISH_MS 1000 /* take(0) found nothing: a job is wanted for so long, or for twice the caller's own interval */
#define WISH_MOST_MS 60000

static heroq_status enter(const heroq_actor *a, heroq_error *err) {
  if (!a) return hq_fail(err, HEROQ_E_INVALID, "the actor is NULL");
  if (hq_life_forked(&a->life))
    return hq_fail(err, HEROQ_E_FORKED, "the actor belongs to the process before fork: open a client anew");
  return HEROQ_OK;
}

/* ---- take ---- */

static void count_take(heroq_actor *a, int64_t now) {
  a->taken++;
  a->last_take_ms = now;
  a->rate_takes++;
  int64_t passed = now - a->rate_since;
  if (passed < RATE_WINDOW_MS) return;
  double rate = (double)a->rate_takes / (double)passed;
  a->rate = passed > 20 * RATE_WINDOW_MS ? 0 : (a->rate + rate) / 2;
  a->rate_since = now;
  a->rate_takes = 0;
}

static void start_clock(heroq_actor *a, hq_held *h, int64_t now) {
  int64_t seconds = heroq_job_timeout(h->job), ms = seconds > 0 ? seconds * 1000 : a->config.timeout;
  if (ms <= 0) return;
  h->soft_at = now + ms;
  h->hard_at = h->soft_at + a->config.timeout_grace;
  if (h->soft_at >= a->timeout_at) return;
  a->timeout_at = h->soft_at;
  hq_loop_wake(&a->loop);
}

/* Under the lock. NULL: none may be given now. */
static heroq_job *give(heroq_actor *a) {
  if (!a->ready.first || !hq_engine_can_hand_out(a)) return NULL;
  int64_t us = hq_mono_us(), now = us / 1000;
  /* a lease that may have run out while the server or this process slept: the engine finds out first */
  if (!a->config.canonical && now - atomic_load(&a->ready.first->renewed_at) >= a->config.lease) return NULL;
  hq_held *h = hq_list_pop(&a->ready);
  heroq_job *job = h->job;
  start_clock(a, h, now);
  h->given = h->occupies = true;
  h->given_us = us;
  h->job = NULL;
  a->out++;
  atomic_fetch_add(&h->refs, 1);
  hq_life_ref(&a->life);
  job->taken = h;
  job->taken_ops = &hq_settle_ops;
  count_take(a, now);
  return job;
}

static void wish(heroq_actor *a) {
  int64_t now = hq_mono_ms(), interval = a->last_wish ? now - a->last_wish : 0;
  int64_t span = 2 * interval < WISH_MS ? WISH_MS : 2 * interval > WISH_MOST_MS ? WISH_MOST_MS : 2 * interval;
  a->last_wish = now;
  a->wish_until = now + span;
}

/* Takes between 1 and `max` jobs into job[]; *n = 0: none in time. */
static heroq_status take(heroq_actor *a, int32_t max, int64_t timeout_ms, heroq_job **job, int32_t *n, heroq_call *call,
                         heroq_error *err) {
  heroq_status rc = enter(a, err);
  *n = 0;
  if (rc) return rc;
  int64_t deadline = timeout_ms ? hq_wait_deadline(timeout_ms, call) : 0;
  bool waited = false;
  pthread_mutex_lock(&a->lock);
  for (;;) {
    if (a->draining || a->stop || a->ended) {
      rc = hq_fail(err, HEROQ_E_CLOSED, "the actor is closed or draining");
      break;
    }
    if (a->config.max_stuck && a->lost_slots >= a->config.max_stuck) {
      rc = hq_fail(err, HEROQ_E_STUCK, "%d handlers hang past their timeout", (int)a->lost_slots);
      break;
    }
    if (heroq_call_is_cancelled(call)) {
      if (waited) hq_engine_offer(a); /* it may have been chosen: the next one gets the job */
      rc = hq_fail(err, HEROQ_E_CANCELLED, "take was cancelled");
      break;
    }
    a->fd_rest_until = a->fd_rest_step = 0;
    while (*n < max && (job[*n] = give(a)) != NULL) ++*n;
    if (*n) {
      if (a->takers.count) hq_engine_offer(a); /* what is left goes to the next */
      hq_engine_update_fd(a);
      rc = hq_ok(err);
      break;
    }
    if (!timeout_ms) {
      wish(a);
      hq_engine_update_fd(a); /* a lease may have come into doubt since */
      rc = hq_ok(err);
      break;
    }
    if (waited && rc == HEROQ_E_TIMEOUT) {
      rc = call && hq_mono_ms() >= atomic_load(&call->deadline)
               ? hq_fail(err, HEROQ_E_TIMEOUT, "no job in the time of the call")
               : hq_ok(err);
      break;
    }
    if (waited && rc == HEROQ_E_INTERNAL) {
      rc = hq_fail(err, HEROQ_E_INTERNAL, "take cannot wait: no descriptor is left");
      break;
    }
    if (waited && rc == HEROQ_E_NOMEM) {
      rc = hq_fail_nomem(err);
      break;
    }
    if (!atomic_load(&a->waiting)) hq_engine_wake(a); /* it sees us once the wait lets go of the lock */
    rc = hq_waitq_wait(&a->takers, &a->lock, deadline, call);
    waited = true;
    if (rc == HEROQ_OK && a->waking) a->waking--;
  }
  /* who polls, or watches the fd, wants the next one as well */
  bool more = *n ? a->fd_used && !a->ready.first : !timeout_ms;
  bool asleep = more && rc == HEROQ_OK && !atomic_load(&a->waiting);
  pthread_mutex_unlock(&a->lock);
  if (asleep) hq_engine_wake(a);
  return rc;
}

heroq_status heroq_actor_take(heroq_actor *self, int64_t timeout_ms, heroq_job **out, heroq_call *call,
                              heroq_error *err) {
  if (!out) return hq_fail(err, HEROQ_E_INVALID, "out is NULL");
  int32_t n;
  *out = NULL;
  heroq_status rc = take(self, 1, timeout_ms, out, &n, call, err);
  if (!n) *out = NULL;
  return rc;
}

heroq_status heroq_actor_take_many(heroq_actor *self, int32_t max, int64_t timeout_ms, heroq_jobs **out,
                                   heroq_call *call, heroq_error *err) {
  if (!out) return hq_fail(err, HEROQ_E_INVALID, "out is NULL");
  *out = NULL;
  if (max < 1 || max > 100000) return hq_fail(err, HEROQ_E_INVALID, "max is %d; it must be 1 to 100000", (int)max);
  heroq_jobs *jobs = NULL;
  heroq_job **job = calloc((size_t)max, sizeof *job);
  heroq_status *status = calloc((size_t)max, sizeof *status);
  if (!job || !status || heroq_jobs_new(&jobs, NULL)) {
    free(job);
    free(status);
    return hq_fail_nomem(err);
  }
  int32_t n;
  heroq_status rc = take(self, max, timeout_ms, job, &n, call, err);
  if (rc || !n) {
    free(job);
    free(status);
    heroq_jobs_free(jobs);
    return rc;
  }
  jobs->job = job;
  jobs->status = status;
  jobs->count = n;
  jobs->cap = max;
  *out = jobs;
  return rc;
}

static int32_t fd_of(hq_notice *n, bool *used) {
  if (!*used) {
    if (hq_notice_open(n)) return -1;
    *used = true;
  }
  return n->rfd;
}

int32_t heroq_actor_fd(heroq_actor *self) {
  if (enter(self, NULL)) return -1;
  pthread_mutex_lock(&self->lock);
  int32_t fd = fd_of(&self->fd, &self->fd_used);
  hq_engine_update_fd(self);
  pthread_mutex_unlock(&self->lock);
  hq_engine_wake(self);
  return fd;
}

/* ---- events ---- */

int32_t heroq_actor_event_fd(heroq_actor *self) {
  if (enter(self, NULL)) return -1;
  pthread_mutex_lock(&self->lock);
  int32_t fd = fd_of(&self->event_fd, &self->event_fd_used);
  if (self->event_fd_used && !self->event_fd_set && (self->event_count || self->ended)) {
    self->event_fd_set = true;
    hq_notice_set(&self->event_fd);
  }
  pthread_mutex_unlock(&self->lock);
  return fd;
}

static heroq_status event_record(const hq_event *e, uint64_t dropped, heroq_record **out, heroq_error *err) {
  heroq_record *r = hq_record_new();
  hq_record_add_text(r, "event", e->what);
  hq_record_add_int(r, "token", e->token);
  hq_record_add_text(r, "job_id", e->id);
  hq_record_add_int(r, "time", e->time);
  hq_record_add_int(r, "dropped", (int64_t)dropped);
  return hq_record_finish(r, out, err);
}

heroq_status heroq_actor_next_event(heroq_actor *self, int64_t timeout_ms, heroq_record **out, heroq_call *call,
                                    heroq_error *err) {
  if (!out) return hq_fail(err, HEROQ_E_INVALID, "out is NULL");
  *out = NULL;
  heroq_status rc = enter(self, err);
  if (rc) return rc;
  int64_t deadline = hq_wait_deadline(timeout_ms, call);
  if (heroq_call_is_cancelled(call)) rc = HEROQ_E_CANCELLED;
  pthread_mutex_lock(&self->lock);
  while (!self->event_count && !self->ended && !rc) {
    if (!timeout_ms) break;
    rc = hq_waitq_wait(&self->event_takers, &self->lock, deadline, call);
  }
  if (self->event_count && rc != HEROQ_E_CANCELLED) {
    hq_event e = self->events[self->event_first];
    self->event_first = (self->event_first + 1) % HQ_EVENTS;
    if (!--self->event_count && self->event_fd_set && !self->ended) {
      self->event_fd_set = false;
      hq_notice_clear(&self->event_fd);
    }
    uint64_t dropped = self->event_dropped;
    pthread_mutex_unlock(&self->lock);
    return event_record(&e, dropped, out, err);
  }
  bool over = self->ended;
  pthread_mutex_unlock(&self->lock);
  if (over && rc != HEROQ_E_CANCELLED) return hq_fail(err, HEROQ_E_CLOSED, "the actor is closed");
  return hq_nothing_came(rc, timeout_ms, call, "an event", err);
}

/* Of all queues the longest. */
static int64_t starved_ms(const heroq_actor *a) {
  int64_t most = 0, now = hq_mono_ms();
  for (uint32_t i = 0; i < a->sources; i++) {
    int64_t since = atomic_load(&a->source[i].refused_since);
    if (since && now - since >= most) most = now - since + 1;
  }
  return most;
}

heroq_status heroq_actor_stats(heroq_actor *self, heroq_record **out, heroq_error *err) {
  if (out) *out = NULL;
  heroq_status rc = enter(self, err);
  if (rc) return rc;
  if (!out) return hq_fail(err, HEROQ_E_INVALID, "out is NULL");
  heroq_record *r = hq_record_new();
  int64_t starved = starved_ms(self);
  int64_t paused = 0;
  for (uint32_t i = 0; i < self->sources; i++) paused += atomic_load(&self->source[i].paused);
  pthread_mutex_lock(&self->lock);
  hq_record_add_text(r, "actor", self->name);
  hq_record_add_text(r, "actor_id", self->actor_id);
  hq_record_add_int(r, "taken", self->taken);
  hq_record_add_int(r, "finished", self->finished);
  hq_record_add_int(r, "failed", self->failed);
  hq_record_add_int(r, "retried", self->retried);
  hq_record_add_int(r, "released", self->released);
  hq_record_add_int(r, "buried", self->buried);
  hq_record_add_int(r, "lost", self->lost);
  hq_record_add_int(r, "stale", self->stale);
  hq_record_add_int(r, "out", self->out);
  hq_record_add_int(r, "stuck", self->lost_slots);
  hq_record_add_int(r, "ahead", self->ready.count);
  hq_record_add_int(r, "held", self->held);
  hq_record_add_int(r, "unsettled", self->unsettled);
  hq_record_add_int(r, "pending_bytes", self->pending_bytes);
  hq_record_add_int(r, "waiting", self->takers.count);
  hq_record_add_int(r, "connected", self->connected);
  hq_record_add_int(r, "connects", self->reconnects);
  hq_record_add_int(r, "starved", starved);
  hq_record_add_int(r, "since_last_take", self->last_take_ms ? hq_mono_ms() - self->last_take_ms : -1);
  hq_record_add_int(r, "draining", self->draining);
  hq_record_add_int(r, "paused", paused);
  pthread_mutex_unlock(&self->lock);
  return hq_record_finish(r, out, err);
}

/* ---- going down ---- */

static void drain(heroq_actor *a, int64_t grace_ms) {
  int64_t until = hq_deadline(hq_mono_ms(), grace_ms);
  pthread_mutex_lock(&a->lock);
  if (!a->draining || until < a->drain_until) a->drain_until = until;
  a->draining = true;
  hq_waitq_wake_all(&a->takers);
  hq_engine_update_fd(a);
  pthread_mutex_unlock(&a->lock);
  hq_loop_wake(&a->loop);
}

heroq_status heroq_actor_drain(heroq_actor *self, int64_t grace_ms, heroq_error *err) {
  heroq_status rc = enter(self, err);
  if (rc) return rc;
  drain(self, grace_ms);
  return hq_ok(err);
}

static void end_thread(heroq_actor *a) {
  pthread_mutex_lock(&a->lock);
  a->draining = a->stop = true;
  hq_waitq_wake_all(&a->takers);
  hq_engine_update_fd(a);
  pthread_mutex_unlock(&a->lock);
  hq_loop_wake(&a->loop);
}

void hq_actor_close_now(void *self) {
  heroq_actor *a = self;
  if (hq_life_forked(&a->life)) return;
  end_thread(a);
}

heroq_status heroq_actor_close(heroq_actor *self, int64_t grace_ms, int32_t *unacked, heroq_call *call,
                               heroq_error *err) {
  if (unacked) *unacked = 0;
  heroq_status rc = enter(self, err);
  if (rc) return rc;
  drain(self, grace_ms);
  int64_t limit = grace_ms < 0 ? HEROQ_FOREVER : grace_ms + self->config.close_timeout;
  int64_t deadline = hq_wait_deadline(limit, call);
  heroq_status waited = HEROQ_OK;
  pthread_mutex_lock(&self->lock);
  while (!self->drained_told && !self->ended && waited == HEROQ_OK)
    waited = hq_waitq_wait(&self->closers, &self->lock, deadline, call);
  if (unacked) *unacked = self->unsettled;
  pthread_mutex_unlock(&self->lock);
  end_thread(self);
  hq_client_disown(self->client, &self->child);
  pthread_mutex_lock(&self->lock);
  deadline = hq_wait_deadline(1000, NULL); /* the thread needs a moment, whatever ended the wait above */
  while (!self->ended && hq_waitq_wait(&self->closers, &self->lock, deadline, NULL) == HEROQ_OK) continue;
  pthread_mutex_unlock(&self->lock);
  if (waited == HEROQ_E_CANCELLED) return hq_fail(err, waited, "close was cancelled; the actor is closed");
  return hq_ok(err);
}

void hq_actor_unref(heroq_actor *a) {
  if (!hq_life_unref(&a->life)) return;
  hq_actor_dispose(a);
}

void heroq_actor_free(heroq_actor *self) {
  if (!self) return;
  if (!hq_life_forked(&self->life)) {
    hq_client_disown(self->client, &self->child);
    end_thread(self);
  }
  hq_actor_unref(self);
}

/* ---- run ---- */

static void handle_one(heroq_job *job, heroq_handler handler, void *user_data) {
  heroq_error err = {0};
  heroq_status rc = handler(job, user_data, &err);
  if (rc == HEROQ_OK)
    heroq_job_finish(job, "", 0, 0, NULL, NULL); /* HEROQ_E_SETTLED where the handler did it */
  else {
    const char *text = err.text[0] ? err.text : heroq_status_text(rc);
    heroq_job_fail(job, text, strlen(text), 0, NULL, NULL);
  }
  heroq_job_free(job);
}

heroq_status heroq_actor_run(heroq_actor *self, heroq_handler handler, void *user_data, heroq_call *call,
                             heroq_error *err) {
  if (!handler) return hq_fail(err, HEROQ_E_INVALID, "the handler is NULL");
  for (;;) {
    heroq_job *job;
    heroq_status rc = heroq_actor_take(self, HEROQ_FOREVER, &job, call, err);
    if (rc == HEROQ_E_CLOSED) return hq_ok(err);
    if (rc) return rc;
    if (job) handle_one(job, handler, user_data);
  }
}
