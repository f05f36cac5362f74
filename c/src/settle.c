/* A taken job in its handler's hands: settled once, from any thread, or dropped. */
#include <stdlib.h>
#include <string.h>

#include "actor_open.h"
#include "errors.h"

static void leave_slot(heroq_actor *a, hq_held *h) {
  if (h->occupies) {
    h->occupies = false;
    a->out--;
    hq_engine_update_fd(a);
    if (a->config.concurrency) hq_engine_offer(a);
  }
}

heroq_status hq_settle_may(const hq_held *h, heroq_error *err) {
  const heroq_actor *a = h->actor;
  if (h->settle == HQ_UNSETTLED && !h->lost && !a->stop && !a->ended) return HEROQ_OK;
  if (h->settle != HQ_UNSETTLED && h->settle != HQ_BY_ENGINE)
    return hq_fail(err, HEROQ_E_SETTLED, "%s is settled already", h->job_key);
  return hq_fail(err, HEROQ_E_LOST, "%s: the lease is gone, the result is refused", h->job_key);
}

static heroq_status wait_acknowledged(heroq_actor *a, hq_held *h, heroq_call *call, heroq_error *err) {
  int64_t deadline = hq_wait_deadline(HEROQ_FOREVER, call);
  heroq_status rc = HEROQ_OK;
  while (!h->outcome && !rc && !a->ended) rc = hq_waitq_wait(&a->syncers, &a->lock, deadline, call);
  if (h->outcome == 1) return hq_ok(err);
  if (h->outcome == -1) return hq_fail(err, HEROQ_E_LOST, "%s: the server refused it as stale", h->job_key);
  rc = a->ended ? hq_fail(err, HEROQ_E_CLOSED, "%s: the actor closed before it was acknowledged", h->job_key)
                : hq_fail(err, rc, "%s: not acknowledged yet, it goes on", h->job_key);
  hq_error_flag(err, HEROQ_MAYBE_DONE);
  return rc;
}

static heroq_status settle(heroq_job *job, int how, hq_slice payload, uint32_t flags, uint32_t allowed, int64_t delay,
                           heroq_call *call, heroq_error *err) {
  hq_held *h = job ? job->taken : NULL;
  if (!job) return hq_fail(err, HEROQ_E_INVALID, "the job is NULL");
  if (!h) return hq_fail(err, HEROQ_E_STATE, "%s was not taken by an actor, it cannot be settled", heroq_job_id(job));
  if (flags & ~allowed)
    return hq_fail(err, HEROQ_E_INVALID, "flags has unknown bits: 0x%x", (unsigned)(flags & ~allowed));
  heroq_actor *a = h->actor;
  if (hq_life_forked(&a->life))
    return hq_fail(err, HEROQ_E_FORKED, "%s was taken by the process before fork", h->job_key);
  if (how == HQ_BY_FAIL && payload.n > (size_t)a->config.max_error) payload.n = (size_t)a->config.max_error;
  if (payload.n > (size_t)a->config.max_script)
    return hq_fail(err, HEROQ_E_TOO_BIG, "the output has %zu bytes; the limit (option max_script) is %lld", payload.n,
                   (long long)a->config.max_script);
  char *copy = malloc(payload.n + 1);
  if (!copy) return hq_fail_nomem(err);
  if (payload.n) memcpy(copy, payload.p, payload.n);
  copy[payload.n] = 0;
  pthread_mutex_lock(&a->lock);
  heroq_status rc = hq_settle_may(h, err);
  leave_slot(a, h);
  if (rc) {
    pthread_mutex_unlock(&a->lock);
    free(copy);
    return rc;
  }
  h->settle = how;
  h->settled_us = hq_mono_us();
  h->payload = (hq_slice){copy, payload.n};
  h->flags = flags;
  h->delay = delay;
  h->sync = flags & HEROQ_SYNC;
  a->fd_rest_until = a->fd_rest_step = 0; /* a sign of life */
  a->unsettled++;
  a->pending_bytes += (int64_t)payload.n;
  hq_list_push(&a->settled, h);
  hq_engine_wake(a);
  rc = h->sync ? wait_acknowledged(a, h, call, err) : hq_ok(err);
  pthread_mutex_unlock(&a->lock);
  return rc;
}

static heroq_status bytes(const void *data, size_t size, const char *what, hq_slice *out, heroq_error *err) {
  if (!data && size) return hq_fail(err, HEROQ_E_INVALID, "%s is NULL and its size %zu", what, size);
  *out = (hq_slice){data ? data : "", size};
  return HEROQ_OK;
}

heroq_status heroq_job_finish(heroq_job *self, const void *output, size_t size, uint32_t flags, heroq_call *call,
                              heroq_error *err) {
  hq_slice s;
  heroq_status rc = bytes(output, size, "the output", &s, err);
  return rc ? rc : settle(self, HQ_BY_FINISH, s, flags, HEROQ_SYNC, -1, call, err);
}

heroq_status heroq_job_fail(heroq_job *self, const void *error, size_t size, uint32_t flags, heroq_call *call,
                            heroq_error *err) {
  hq_slice s;
  heroq_status rc = bytes(error, size, "the error", &s, err);
  return rc ? rc : settle(self, HQ_BY_FAIL, s, flags, HEROQ_SYNC | HEROQ_NO_RETRY, -1, call, err);
}

heroq_status heroq_job_retry(heroq_job *self, int64_t delay_ms, const void *error, size_t size, uint32_t flags,
                             heroq_call *call, heroq_error *err) {
  hq_slice s;
  if (delay_ms < 0)
    return hq_fail(err, HEROQ_E_INVALID, "delay_ms is %lld; it must not be negative", (long long)delay_ms);
  heroq_status rc = bytes(error, size, "the error", &s, err);
  return rc ? rc : settle(self, HQ_BY_FAIL, s, flags, HEROQ_SYNC, delay_ms, call, err);
}

heroq_status heroq_job_release(heroq_job *self, uint32_t flags, heroq_call *call, heroq_error *err) {
  return settle(self, HQ_BY_RELEASE, (hq_slice){"", 0}, flags, HEROQ_SYNC, -1, call, err);
}

int32_t heroq_job_stop_reason(const heroq_job *self) {
  const hq_held *h = self ? self->taken : NULL;
  return h ? atomic_load(&h->stop_reason) : HEROQ_STOP_NONE;
}

/* The last handle of a taken job is gone. */
static void dropped(void *taken) {
  hq_held *h = taken;
  heroq_actor *a = h->actor;
  if (hq_life_forked(&a->life)) return; /* the parent has it; memory of the child alone is lost */
  pthread_mutex_lock(&a->lock);
  bool back = hq_settle_may(h, NULL) == HEROQ_OK;
  leave_slot(a, h);
  if (h->slot_lost) {
    h->slot_lost = false;
    if (--a->lost_slots < a->config.max_stuck) a->stuck_told = false;
    hq_engine_update_fd(a);
  }
  if (back) {
    h->settle = HQ_BY_DROP;
    a->unsettled++;
    hq_list_push(&a->settled, h);
    hq_engine_wake(a);
  }
  pthread_mutex_unlock(&a->lock);
  hq_held_unref(h);
  hq_actor_unref(a);
}

const hq_taken_ops hq_settle_ops = {dropped};
