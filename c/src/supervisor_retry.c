/* The supervisor runs a job now that waits for its time: a delay, or its next try. */
#include "clock.h"
#include "errors.h"
#include "job_private.h"
#include "keys_private.h"
#include "stop.h"
#include "store.h"
#include "supervisor_private.h"

#define PROMOTED 128 /* of what is due: this one, and those before it */

/* The queue whose delayed jobs it is among; STATE where it is in none. */
static heroq_status find_delayed(heroq_supervisor *self, hq_slice id, const char *key, hq_qkeys *q, heroq_call *call,
                                 heroq_error *err) {
  hq_batch b;
  hq_batch_init(&b);
  hq_batch_words(&b, "HMGET", key, "status", "script", "script_type", "hq_queue", NULL);
  heroq_status status = hq_ask(self->client, &b, key, call, err);
  const hq_reply *r = hq_batch_reply(&b, 0);
  hq_slice state = hq_reply_str(hq_reply_at(r, 0));
  if (status == HEROQ_OK && !state.p && !hq_reply_str(hq_reply_at(r, 1)).p)
    status = hq_fail(err, HEROQ_E_NOT_FOUND, "%s is not there", key);
  if (status == HEROQ_OK && hq_state_terminal(hq_state_parse(state)))
    status = hq_fail(err, HEROQ_E_STATE, "%s has ended (%.*s): requeue it to run it again", key, (int)state.n, state.p);
  if (status == HEROQ_OK) {
    status = hq_known_queue(hq_reply_str(hq_reply_at(r, 3)), hq_reply_str(hq_reply_at(r, 2)), q);
    if (status == HEROQ_E_NOMEM)
      hq_fail_nomem(err);
    else if (status)
      hq_fail(err, status, "%s names no queue and no script_type", key);
  }
  if (status == HEROQ_OK) {
    hq_batch_reset(&b);
    hq_batch_words(&b, "ZSCORE", q->key[HQ_Q_DELAYED].p, id.p, NULL);
    hq_batch_words(&b, "HEXISTS", q->key[HQ_Q_HOLDERS].p, id.p, NULL);
    status = hq_ask(self->client, &b, q->key[HQ_Q_DELAYED].p, call, err);
    if (status == HEROQ_OK && hq_reply_int(hq_batch_reply(&b, 1), 0))
      status = hq_fail(err, HEROQ_E_BUSY, "%s runs", key);
    else if (status == HEROQ_OK && !hq_reply_str(hq_batch_reply(&b, 0)).p)
      status = hq_fail(err, HEROQ_E_STATE, "%s is not delayed: it waits already, or was never started", key);
    if (status) hq_qkeys_free(q);
  }
  hq_batch_free(&b);
  return status;
}

heroq_status heroq_supervisor_retry_job(heroq_supervisor *self, const char *job_id, heroq_call *call,
                                        heroq_error *err) {
  hq_buf key = {0};
  hq_qkeys q;
  heroq_status status = hq_supervisor_enter_id(self, job_id, &key, err);
  if (status) return status;
  status = find_delayed(self, hq_slice_of(job_id), hq_buf_cstr(&key), &q, call, err);
  if (status == HEROQ_OK) {
    hq_batch b;
    hq_batch_init(&b);
    hq_put_due_now(&b, &q, hq_slice_of(job_id));
    hq_put_promote(&b, &q, PROMOTED, NULL, 0);
    status = hq_client_exchange(self->client, &b, HQ_NEVER, call, err);
    for (uint32_t i = 0; i < b.count && status == HEROQ_OK; i++)
      status = hq_reply_to_error(hq_batch_reply(&b, i), q.key[HQ_Q_DELAYED].p, err);
    hq_batch_free(&b);
    hq_qkeys_free(&q);
  }
  hq_buf_free(&key);
  return status ? status : hq_ok(err);
}
