/* Writing a job's hash, and pushing its id. */
#include "store.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "errors.h"
#include "index.h"
#include "keys_private.h"
#include "wire.h"

heroq_status hq_ask(heroq_client *c, hq_batch *b, const char *what, heroq_call *call, heroq_error *err) {
  heroq_status status = hq_client_exchange(c, b, HQ_NEVER, call, err);
  return status ? status : hq_reply_to_error(hq_batch_reply(b, 0), what, err);
}

/* ---- the hash ---- */

heroq_status hq_store_check(const heroq_client *c, const heroq_job *job, bool start, heroq_error *err) {
  if (!job) return hq_fail(err, HEROQ_E_INVALID, "the job is NULL");
  int64_t limit = hq_option_int(hq_client_options(c), HQ_OPT_MAX_SCRIPT);
  hq_slice script = hq_job_slice(job, HQ_F_SCRIPT);
  if (script.n > (uint64_t)limit)
    return hq_fail(err, HEROQ_E_TOO_BIG, "the script of job %s has %zu bytes; max_script allows %lld",
                   heroq_job_id(job), script.n, (long long)limit);
  hq_slice waits_for = hq_job_slice(job, HQ_F_PREREQUISITES);
  if (start && waits_for.n && !hq_slice_is(waits_for, "[]"))
    return hq_fail(err, HEROQ_E_UNSUPPORTED,
                   "job %s has prerequisites, which cannot be waited for: start it without them", heroq_job_id(job));
  if (job->expires && (job->delay >= job->expires || (job->at && job->at - hq_wall_ms() >= job->expires)))
    return hq_fail(err, HEROQ_E_OPTION, "job %s would never run: it expires after %lld ms, before it is due",
                   heroq_job_id(job), (long long)job->expires);
  return HEROQ_OK;
}

void hq_store_freeze(heroq_job *job) {
  if (atomic_exchange(&job->frozen, true)) job->id_given = true;
}

bool hq_store_put(hq_batch *b, heroq_job *job, hq_slice reply_to) {
  bool guarded = job->id_given;
  hq_wire_put_create(b, job, reply_to);
  job->id_given = true;
  return guarded;
}

heroq_status hq_store_answer(const hq_batch *b, uint32_t i, const heroq_job *job, heroq_error *err) {
  const hq_reply *r = hq_batch_reply(b, i);
  hq_buf key = {0};
  hq_key_job(&key, hq_job_slice(job, HQ_F_JOB_ID));
  heroq_status status = hq_reply_to_error(r, hq_buf_cstr(&key), err);
  if (status == HEROQ_OK && b->command[i].script >= 0 && hq_reply_int(r, 0) == 0)
    status = hq_fail(err, HEROQ_E_EXISTS, "%s is there with another content", hq_buf_cstr(&key));
  hq_buf_free(&key);
  return status;
}

static heroq_status store(heroq_client *client, heroq_job *job, heroq_call *call, heroq_error *err) {
  heroq_status status = hq_store_check(client, job, false, err);
  if (status) return status;
  hq_batch b;
  hq_batch_init(&b);
  hq_store_put(&b, job, HQ_SLICE_NONE);
  bool durable = hq_durable(client);
  if (durable) hq_durable_put(client, &b);
  uint32_t index = b.count;
  hq_index_put(client, &b, &job, 1);
  status = hq_client_exchange(client, &b, HQ_NEVER, call, err);
  hq_index_answer(client, &b, index, b.count);
  if (status == HEROQ_OK) status = hq_store_answer(&b, 0, job, err);
  if (status == HEROQ_OK && durable) status = hq_durable_answer(client, &b, 1, err);
  hq_batch_free(&b);
  return status;
}

heroq_status heroq_job_store_in_redis(heroq_job *self, heroq_client *client, heroq_call *call, heroq_error *err) {
  heroq_status status = hq_client_enter(client, err);
  if (status == HEROQ_OK) status = store(client, self, call, err);
  return status ? status : hq_ok(err);
}

/* ---- replicas ---- */

bool hq_durable(const heroq_client *c) { return hq_client_starts(c)->replicas > 0; }

void hq_durable_put(const heroq_client *c, hq_batch *b) {
  hq_put_wait(b, hq_client_starts(c)->replicas, hq_client_starts(c)->replica_timeout);
}

heroq_status hq_durable_answer(const heroq_client *c, const hq_batch *b, uint32_t i, heroq_error *err) {
  return hq_get_wait(hq_batch_reply(b, i), hq_batch_reply(b, i + 1), hq_client_starts(c)->replicas, err);
}

/* ---- the start ---- */

heroq_status hq_start_init(hq_start *s, const heroq_client *c, const heroq_job *job, heroq_error *err) {
  hq_buf key = {0};
  heroq_status status = hq_job_queue_key(job, &key, err);
  *s = (hq_start){.delay = job->delay, .at = job->at, .urgent = job->urgent};
  s->noted = hq_client_starts(c)->intents;
  s->durable = hq_durable(c);
  if (status == HEROQ_OK && (key.failed || !hq_qkeys_init(&s->queue, hq_buf_cstr(&key)))) status = hq_fail_nomem(err);
  hq_buf_free(&key);
  return status;
}

void hq_start_free(hq_start *s) { hq_qkeys_free(&s->queue); }

void hq_start_note(hq_batch *b, const hq_start *s, hq_slice id) {
  if (s->noted) hq_put_intent(b, &s->queue, id, s->delay, s->at);
}

uint32_t hq_start_put(heroq_client *c, hq_batch *b, const hq_start *s, const hq_slice *id, uint32_t n) {
  uint32_t push = b->count;
  hq_put_push(b, &s->queue, id, n, s->delay, s->at, s->urgent, s->noted);
  if (s->durable) hq_durable_put(c, b);
  if (hq_client_queue_is_new(c, s->queue.key[HQ_Q].p)) hq_put_register(b, s->queue.key[HQ_Q], hq_wall_ms());
  return push;
}

heroq_status hq_start_answer(heroq_client *c, const hq_batch *b, uint32_t push, const hq_start *s, heroq_error *err) {
  heroq_status status = hq_reply_to_error(hq_batch_reply(b, push), s->queue.key[HQ_Q].p, err);
  if (status == HEROQ_OK && hq_client_queue_is_new(c, s->queue.key[HQ_Q].p))
    hq_client_queue_known(c, s->queue.key[HQ_Q].p);
  if (status == HEROQ_OK && s->durable) status = hq_durable_answer(c, b, push + 1, err);
  return status;
}

/* ---- both ---- */

static int64_t answer_by(const hq_submit *s, int64_t deadline) {
  int64_t blocked = (int64_t)(s->blpop * 1000), by = hq_client_op_deadline(s->client, deadline);
  return blocked && by != HQ_NEVER ? by + blocked : by;
}

/* A hash that may be there already: whether it is ours decides if anything is pushed. */
static heroq_status create_guarded(const hq_submit *s, hq_conn *conn, hq_batch *b, uint32_t stored, int64_t deadline,
                                   heroq_call *call, heroq_error *err) {
  heroq_status status =
      hq_conn_exchange(s->client, s->also, conn, b, hq_client_op_deadline(s->client, deadline), call, err);
  if (status == HEROQ_OK) status = hq_store_answer(b, stored, s->job, err);
  hq_batch_reset(b);
  return status;
}

heroq_status hq_submit_run(hq_submit *s, hq_conn *conn, hq_batch *b, int64_t deadline, heroq_call *call,
                           heroq_error *err) {
  hq_start start;
  hq_buf key = {0};
  hq_slice id = hq_job_slice(s->job, HQ_F_JOB_ID);
  heroq_status status = hq_start_init(&start, s->client, s->job, err);
  if (status) return status;
  start.durable = start.durable && !s->look; /* the result will say that it ran */
  hq_start_note(b, &start, id);
  uint32_t stored = b->count;
  bool guarded = hq_store_put(b, s->job, s->reply_to);
  if (guarded) status = create_guarded(s, conn, b, stored, deadline, call, err);
  if (status == HEROQ_OK) {
    if (s->look) hq_key_job(&key, id);
    /* a hash that was there may have been written without it */
    if (guarded && s->look) hq_put_await(b, hq_buf_cstr(&key), s->reply_to);
    uint32_t push = hq_start_put(s->client, b, &start, &id, 1);
    uint32_t index = b->count;
    hq_index_put(s->client, b, &s->job, 1);
    uint32_t behind = b->count;
    if (s->blpop > 0) hq_put_blpop(b, s->reply_to, s->blpop);
    if (s->look) hq_put_await(b, hq_buf_cstr(&key), HQ_SLICE_NONE);
    status = hq_conn_exchange(s->client, s->also, conn, b, answer_by(s, deadline), call, err);
    hq_index_answer(s->client, b, index, behind);
    if (hq_batch_reply(b, push)) {
      heroq_error refused;
      heroq_status verdict = guarded ? HEROQ_OK : hq_store_answer(b, stored, s->job, &refused);
      if (verdict == HEROQ_OK) verdict = hq_start_answer(s->client, b, push, &start, &refused);
      s->stands = verdict == HEROQ_OK;
      if (verdict) {
        status = verdict;
        hq_error_copy(err, &refused);
      }
    }
  }
  hq_buf_free(&key);
  hq_start_free(&start);
  return status;
}

/* ---- a result from outside an actor ---- */

/* Who waits is answered after the hash is written; the hash decides, so a lost answer costs only time. */
static void answer(heroq_client *client, const hq_ended *ended, const heroq_job *job, hq_slice output,
                   heroq_call *call) {
  hq_batch b;
  hq_batch_init(&b);
  if (ended->reply_to.n && hq_put_reply(&b, ended->reply_to, hq_job_slice(job, HQ_F_JOB_ID), output))
    hq_client_exchange(client, &b, HQ_NEVER, call, NULL);
  hq_batch_free(&b);
}

static heroq_status result_verdict(const hq_ended *ended, const char *key, heroq_error *err) {
  if (ended->verdict == 1 || ended->verdict == 2) return HEROQ_OK;
  if (ended->verdict == HQ_MISSING) return hq_fail(err, HEROQ_E_NOT_FOUND, "%s is not there: store the job first", key);
  if (ended->verdict == HQ_TERMINAL) return hq_fail(err, HEROQ_E_SETTLED, "%s has its result already", key);
  return hq_fail(err, HEROQ_E_PROTOCOL, "%s: an answer that heroq does not understand", key);
}

heroq_status heroq_job_set_result(heroq_job *self, heroq_client *client, const void *output, size_t size,
                                  heroq_call *call, heroq_error *err) {
  heroq_status status = hq_client_enter(client, err);
  if (status) return status;
  if (!self || (!output && size))
    return hq_fail(err, HEROQ_E_INVALID, "heroq_job_set_result: the job or the output is NULL");
  int64_t limit = hq_option_int(hq_client_options(client), HQ_OPT_MAX_SCRIPT);
  if (size > (uint64_t)limit)
    return hq_fail(err, HEROQ_E_TOO_BIG, "the output has %zu bytes; max_script allows %lld", size, (long long)limit);
  hq_slice value = {output ? output : "", size};
  hq_ended ended = {.verdict = HQ_NO_ANSWER};
  hq_buf key = {0};
  hq_batch b;
  hq_batch_init(&b);
  hq_key_job(&key, hq_job_slice(self, HQ_F_JOB_ID));
  hq_put_result(&b, hq_buf_cstr(&key), false, value);
  status = hq_ask(client, &b, hq_buf_cstr(&key), call, err);
  if (status == HEROQ_OK && !hq_get_ended(hq_batch_reply(&b, 0), &ended)) ended.verdict = HQ_NO_ANSWER;
  if (status == HEROQ_OK) status = result_verdict(&ended, hq_buf_cstr(&key), err);
  if (status == HEROQ_OK) answer(client, &ended, self, value, call);
  hq_batch_free(&b);
  hq_buf_free(&key);
  return status ? status : hq_ok(err);
}
