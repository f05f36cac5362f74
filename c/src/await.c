/* run_job_and_await_result and await_result: one await with a connection of its own. It sleeps on the reply list and looks
 * at the hash after every slice; the rules are watch.c's. */
#include "await.h"

#include <string.h>

#include "clock.h"
#include "errors.h"
#include "job_private.h"
#include "keys_private.h"
#include "record_private.h"
#include "store.h"
#include "tend.h"
#include "watch.h"

#define BEFORE_END_MS                                                                                                  \
  50 /* the server wakes blocked clients ten times a second: the last slice ends early by half of that */
#define AFTER_END_MS 80 /* how long an answer may be late at the end of the await's time */
#define SHORTEST_SLICE_MS 10
#define SUBMIT_LEAST_MS 1000 /* a submit cut short leaves its caller not knowing */
#define TEND_EVERY_MS 3000   /* a queue whose actors are all gone must not keep its jobs for ever */
#define TEND_MOST_MS 2000
#define ANSWER_MS 2000 /* how long an answer may take; twice as long after each one that took longer: it may be large */
#define ANSWER_MOST_MS 300000
#define RECONNECT_FIRST_MS 50
#define RECONNECT_MOST_MS 1000

typedef struct direct {
  heroq_supervisor *s;
  heroq_client *client;
  heroq_call *call;
  const char *job_id;
  hq_buf job_key, reply_key, queue;
  int64_t deadline, tend_at, reconnect_step, answer_ms;
  hq_conn *conn;
  hq_batch batch;
  hq_watch watch;
  bool replied;
} direct;

/* ---- answers ---- */

heroq_status hq_await_result(bool failed, hq_slice value, heroq_bytes **out, heroq_error *err) {
  if (!value.p) value = hq_slice_of("");
  heroq_status status = hq_bytes_slice(value, out, err);
  if (status || !failed) return status ? status : hq_ok(err);
  if (!value.n) return hq_fail(err, HEROQ_E_FAILED, "the job ended with an error that says nothing");
  return hq_fail(err, HEROQ_E_FAILED, "%.*s", (int)(value.n > HEROQ_ERROR_TEXT ? HEROQ_ERROR_TEXT : value.n), value.p);
}

heroq_status hq_await_expired(const char *job_id, heroq_error *err) {
  return hq_fail(err, HEROQ_E_EXPIRED, HQ_JOB_PREFIX "%s is gone: it ended long ago, was deleted, or never was",
                 job_id);
}

heroq_status hq_await_timeout(const char *job_id, heroq_error *err) {
  return hq_fail(err, HEROQ_E_TIMEOUT, "job %s has not ended in time; it goes on", job_id);
}

/* ---- looking ---- */

static void put_look(direct *d) { hq_put_await(&d->batch, hq_buf_cstr(&d->job_key), HQ_SLICE_NONE); }

static heroq_status exchange(direct *d, int64_t deadline, heroq_error *err) {
  return hq_conn_exchange(d->client, &d->s->closing, d->conn, &d->batch, deadline, d->call, err);
}

/* The queue that is tended while the job waits. */
static void learn_queue(direct *d, const hq_awaited *a) {
  hq_slice part;
  if (a->queue.n && hq_key_queue_parts(a->queue, &part, &part, &part)) {
    d->queue.n = 0;
    hq_buf_add(&d->queue, a->queue.p, a->queue.n);
  } else if (!d->queue.n && hq_name_ok(a->script_type))
    hq_key_queue(&d->queue, a->script_type.p, NULL, NULL);
}

/* A value that only a foreign actor has given: it becomes the hash's, then ours. *settled false: somebody was faster. */
static heroq_status settle(direct *d, bool from_output, hq_slice value, heroq_bytes **out, bool *settled,
                           heroq_error *err) {
  heroq_status status = hq_bytes_slice(value, out, err);
  if (status) return status;
  hq_slice copy = {heroq_bytes_data(*out), heroq_bytes_size(*out)};
  hq_batch_reset(&d->batch);
  hq_put_settle(&d->batch, hq_buf_cstr(&d->job_key), from_output, copy);
  status = exchange(d, hq_client_op_deadline(d->client, HQ_NEVER), err);
  if (status == HEROQ_OK) status = hq_reply_to_error(hq_batch_reply(&d->batch, 0), hq_buf_cstr(&d->job_key), err);
  *settled = status == HEROQ_OK && hq_reply_int(hq_batch_reply(&d->batch, 0), 0) == 1;
  if (!*settled) {
    heroq_bytes_free(*out);
    *out = NULL;
  }
  return status;
}

/* What the answer to a look says. *done: the await has ended. */
static heroq_status judge(direct *d, const hq_reply *look, heroq_bytes **out, bool *done, heroq_error *err) {
  hq_awaited a;
  heroq_status status = hq_reply_to_error(look, hq_buf_cstr(&d->job_key), err);
  if (status) return status;
  if (!hq_get_awaited(look, &a))
    return hq_fail(err, HEROQ_E_PROTOCOL, "%s: an answer that heroq does not understand", hq_buf_cstr(&d->job_key));
  int verdict = hq_watch_look(&d->watch, &a, hq_mono_ms());
  if (a.exists) learn_queue(d, &a);
  *done = verdict == HQ_W_FINISHED || verdict == HQ_W_FAILED || verdict == HQ_W_EXPIRED;
  if (verdict == HQ_W_EXPIRED) return hq_await_expired(d->job_id, err);
  if (*done) return hq_await_result(verdict == HQ_W_FAILED, verdict == HQ_W_FAILED ? a.error : a.output, out, err);
  if (verdict == HQ_W_SETTLE_OUTPUT) return settle(d, true, a.output, out, done, err);
  if (verdict == HQ_W_SETTLE_REPLY)
    return settle(d, false, (hq_slice){d->watch.reply.p, d->watch.reply.n}, out, done, err);
  return HEROQ_OK;
}

/* The BLPOP at `i` and the look behind it. */
static heroq_status read_slice(direct *d, uint32_t i, bool popped, heroq_bytes **out, bool *done, heroq_error *err) {
  if (popped) {
    const hq_reply *pop = hq_batch_reply(&d->batch, i++);
    heroq_status status = hq_reply_to_error(pop, hq_buf_cstr(&d->reply_key), err);
    if (status) return status;
    hq_slice payload = hq_reply_str(hq_reply_at(pop, 1));
    if (payload.p) {
      d->replied = true;
      hq_watch_reply(&d->watch, payload, hq_mono_ms());
    }
  }
  return judge(d, hq_batch_reply(&d->batch, i), out, done, err);
}

/* ---- waiting ---- */

static void drop_connection(direct *d) {
  hq_pool_give(d->client, d->conn);
  d->conn = NULL;
}

static heroq_status reconnect(direct *d, heroq_error *err) {
  heroq_status status = hq_pool_take(d->client, &d->conn, d->deadline, d->call, err);
  if (status == HEROQ_OK) d->reconnect_step = 0;
  return status;
}

/* One slice: blocked on the reply list, then the hash. Near the end of the time only the hash. */
static heroq_status slice(direct *d, heroq_bytes **out, bool *done, heroq_error *err) {
  int64_t now = hq_mono_ms(), pause = hq_watch_pause(&d->watch, now), left = d->deadline - now, by;
  bool block = d->deadline == HQ_NEVER || left - BEFORE_END_MS >= SHORTEST_SLICE_MS;
  heroq_status status = HEROQ_OK;
  hq_batch_reset(&d->batch);
  if (block) {
    if (d->deadline != HQ_NEVER && pause > left - BEFORE_END_MS) pause = left - BEFORE_END_MS;
    hq_put_blpop(&d->batch, (hq_slice){d->reply_key.p, d->reply_key.n}, (double)pause / 1000);
    by = now + pause + (pause / 10 > d->answer_ms ? pause / 10 : d->answer_ms);
  } else {
    status = hq_client_pause(d->client, &d->s->closing, d->deadline, d->call, err);
    by = HQ_NEVER;
  }
  if (status) return status;
  put_look(d);
  if (d->deadline != HQ_NEVER && by > d->deadline + AFTER_END_MS) by = d->deadline + AFTER_END_MS;
  status = exchange(d, by, err);
  return status ? status : read_slice(d, 0, block, out, done, err);
}

/* A fault while waiting: HEROQ_OK if the wait goes on. The job runs whether we hear of it or not. */
static heroq_status survive(direct *d, heroq_status status, heroq_error *err) {
  heroq_error why = *err;
  if (status == HEROQ_E_CANCELLED || status == HEROQ_E_CLOSED || hq_mono_ms() >= d->deadline) return status;
  bool broken = !d->conn || hq_conn_state(d->conn) != HQ_CONN_IDLE;
  if (!(why.flags & HEROQ_RETRYABLE) && !(broken && d->conn)) return status;
  if (broken) drop_connection(d);
  if (status == HEROQ_E_TIMEOUT && d->answer_ms < ANSWER_MOST_MS) d->answer_ms *= 2;
  hq_client_event(d->client, HQ_WARNING, status, "an await goes on after a fault: %s", why.text);
  int64_t until = hq_mono_ms() + hq_backoff(&d->reconnect_step, RECONNECT_FIRST_MS, RECONNECT_MOST_MS);
  return hq_client_pause(d->client, &d->s->closing, until < d->deadline ? until : d->deadline, d->call, err);
}

static void tend(direct *d) {
  int64_t now = hq_mono_ms();
  if (now < d->tend_at) return;
  d->tend_at = now + hq_jitter(TEND_EVERY_MS);
  int64_t most = now + TEND_MOST_MS;
  if (d->queue.n)
    hq_tend_queue(d->client, hq_buf_cstr(&d->queue), most < d->deadline ? most : d->deadline, d->call, NULL, NULL);
}

static heroq_status wait_for_end(direct *d, bool done, heroq_status status, heroq_bytes **out, heroq_error *err) {
  for (;;) {
    if (done || (status && (status = survive(d, status, err)) != HEROQ_OK)) break;
    if (hq_mono_ms() >= d->deadline) return hq_await_timeout(d->job_id, err);
    tend(d);
    if (!d->conn && (status = reconnect(d, err)) != HEROQ_OK) continue;
    status = slice(d, out, &done, err);
  }
  bool ended_by_time = status == HEROQ_E_TIMEOUT || (status && hq_mono_ms() >= d->deadline);
  bool by_caller = status == HEROQ_E_CANCELLED || status == HEROQ_E_CLOSED;
  return !done && ended_by_time && !by_caller ? hq_await_timeout(d->job_id, err) : status;
}

/* ---- both calls ---- */

/* The first exchange is always made, however short the time. */
static int64_t first_by(const direct *d, int64_t least) {
  int64_t by = d->deadline == HQ_NEVER ? HQ_NEVER : d->deadline + AFTER_END_MS, now = hq_mono_ms();
  return hq_client_op_deadline(d->client, by < now + least ? now + least : by);
}

/* Submit, the first slice and the first look in one pipeline: a round trip to an idle actor is short. */
static heroq_status begin_submit(direct *d, heroq_job *job, bool *done, heroq_bytes **out, heroq_error *err) {
  int64_t left = d->deadline - hq_mono_ms();
  hq_submit submit = {.client = d->client,
                      .also = &d->s->closing,
                      .job = job,
                      .look = true,
                      .reply_to = {d->reply_key.p, d->reply_key.n},
                      .blpop = left >= 2 * HQ_WATCH_FIRST_MS ? HQ_WATCH_FIRST_MS / 1000.0 : 0};
  heroq_status status = hq_submit_run(&submit, d->conn, &d->batch, first_by(d, SUBMIT_LEAST_MS), d->call, err);
  if (!submit.stands) return status;
  bool popped = submit.blpop > 0;
  if (status == HEROQ_OK) status = read_slice(d, d->batch.count - (popped ? 2 : 1), popped, out, done, err);
  /* it is submitted: from here on faults are survived */
  return *done ? status : status ? survive(d, status, err) : HEROQ_OK;
}

static heroq_status begin_await(direct *d, bool *done, heroq_bytes **out, heroq_error *err) {
  hq_put_await(&d->batch, hq_buf_cstr(&d->job_key), (hq_slice){d->reply_key.p, d->reply_key.n});
  heroq_status status = exchange(d, first_by(d, 0), err);
  return status ? status : judge(d, hq_batch_reply(&d->batch, 0), out, done, err);
}

/* What a reply that nobody popped leaves behind. */
static void clean_up(direct *d) {
  if (!d->conn || d->replied || hq_conn_state(d->conn) != HQ_CONN_IDLE) return;
  hq_batch_reset(&d->batch);
  hq_batch_words(&d->batch, "DEL", hq_buf_cstr(&d->reply_key), NULL);
  exchange(d, hq_client_op_deadline(d->client, HQ_NEVER), NULL);
}

static heroq_status await_directly(heroq_supervisor *s, const char *job_id, heroq_job *job, int64_t deadline,
                                   heroq_bytes **out, heroq_call *call, heroq_error *err) {
  direct d = {.s = s,
              .client = s->client,
              .call = call,
              .job_id = job_id,
              .deadline = deadline,
              .answer_ms = ANSWER_MS,
              .tend_at = hq_mono_ms() + hq_jitter(TEND_EVERY_MS)};
  bool done = false;
  hq_batch_init(&d.batch);
  hq_key_job(&d.job_key, hq_slice_of(job_id));
  hq_key_reply_of(&d.reply_key, hq_slice_of(job_id));
  hq_buf_cstr(&d.job_key);
  hq_buf_cstr(&d.reply_key);
  heroq_status status = job ? hq_job_queue_key(job, &d.queue, err) : HEROQ_OK;
  if (d.job_key.failed || d.reply_key.failed) status = hq_fail_nomem(err);
  if (status == HEROQ_OK) status = hq_pool_take(s->client, &d.conn, HQ_NEVER, call, err);
  if (status == HEROQ_OK) {
    status = job ? begin_submit(&d, job, &done, out, err) : begin_await(&d, &done, out, err);
    bool waits = !done && (status == HEROQ_OK || !job);
    if (waits) status = wait_for_end(&d, done, status, out, err);
    if (status == HEROQ_OK || status == HEROQ_E_FAILED) clean_up(&d);
  }
  hq_pool_give(s->client, d.conn);
  hq_batch_free(&d.batch);
  hq_watch_free(&d.watch);
  hq_buf_free(&d.job_key);
  hq_buf_free(&d.reply_key);
  hq_buf_free(&d.queue);
  return status;
}

/* A lone await has the shortest way; those beside it share the engine's connections. */
static heroq_status await_either(heroq_supervisor *s, const char *job_id, heroq_job *job, int64_t timeout_ms,
                                 heroq_bytes **out, heroq_call *call, heroq_error *err) {
  heroq_error own; /* the rules of an await look at the flags of a fault */
  atomic_bool *direct_way = &hq_client_engine_slot(s->client)->direct;
  heroq_status status;
  if (atomic_exchange(direct_way, true))
    status = hq_await_shared(s, job_id, job, timeout_ms, out, call, &own);
  else {
    status = await_directly(s, job_id, job, hq_wait_deadline(timeout_ms, call), out, call, &own);
    atomic_store(direct_way, false);
  }
  hq_error_copy(err, &own);
  return status;
}

static heroq_status check_timeout(int64_t timeout_ms, heroq_error *err) {
  if (timeout_ms >= HEROQ_FOREVER) return HEROQ_OK;
  return hq_fail(err, HEROQ_E_INVALID, "a timeout is 0 or more ms, or -1 for ever, not %lld", (long long)timeout_ms);
}

heroq_status heroq_supervisor_run_job_and_await_result(heroq_supervisor *self, heroq_job *job, int64_t timeout_ms,
                                                       heroq_bytes **out, heroq_call *call, heroq_error *err) {
  if (!out) return hq_fail(err, HEROQ_E_INVALID, "heroq_supervisor_run_job_and_await_result: out is NULL");
  *out = NULL;
  heroq_status status = hq_supervisor_enter(self, err);
  if (status == HEROQ_OK) status = check_timeout(timeout_ms, err);
  if (status == HEROQ_OK) status = hq_store_check(self->client, job, true, err);
  if (status) return status;
  hq_store_freeze(job);
  return await_either(self, heroq_job_id(job), job, timeout_ms, out, call, err);
}

heroq_status heroq_supervisor_await_result(heroq_supervisor *self, const char *job_id, int64_t timeout_ms,
                                           heroq_bytes **out, heroq_call *call, heroq_error *err) {
  hq_buf key = {0};
  if (!out) return hq_fail(err, HEROQ_E_INVALID, "heroq_supervisor_await_result: out is NULL");
  *out = NULL;
  heroq_status status = hq_supervisor_enter_id(self, job_id, &key, err);
  hq_buf_free(&key);
  if (status == HEROQ_OK) status = check_timeout(timeout_ms, err);
  return status ? status : await_either(self, job_id, NULL, timeout_ms, out, call, err);
}
