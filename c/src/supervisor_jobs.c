/* The supervisor on jobs that are there: stop, delete, requeue. Each step is acknowledged before the next is sent
 * where PROTOCOL.md's crash tables rest on it. */
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "errors.h"
#include "job_private.h"
#include "keys_private.h"
#include "record_private.h"
#include "stop.h"
#include "store.h"
#include "supervisor_private.h"

#define TOMBSTONE_MS 86400000

/* ---- stop ---- */

/* CANCEL and what follows its verdict; *outcome is static text. */
static heroq_status stop(heroq_supervisor *self, hq_slice id, const char *key, const char **outcome, heroq_call *call,
                         heroq_error *err) {
  hq_cancel c;
  hq_batch b, rest;
  hq_batch_init(&b);
  hq_batch_init(&rest);
  hq_put_cancel(&b, key);
  heroq_status status = hq_client_exchange(self->client, &b, HQ_NEVER, call, err);
  if (status == HEROQ_OK) status = hq_stop_read(hq_batch_reply(&b, 0), key, &c, outcome, err);
  if (status == HEROQ_OK) status = hq_stop_put(&rest, id, &c, err);
  if (status == HEROQ_OK && rest.count) status = hq_ask(self->client, &rest, "what follows a stop", call, err);
  hq_batch_free(&rest);
  hq_batch_free(&b);
  return status;
}

heroq_status heroq_supervisor_stop_job(heroq_supervisor *self, const char *job_id, heroq_record **out, heroq_call *call,
                                       heroq_error *err) {
  hq_buf key = {0};
  const char *outcome = "";
  if (out) *out = NULL;
  heroq_status status = hq_supervisor_enter_id(self, job_id, &key, err);
  if (status) return status;
  status = stop(self, hq_slice_of(job_id), hq_buf_cstr(&key), &outcome, call, err);
  if (status == HEROQ_OK && out) {
    heroq_record *r = hq_record_new();
    hq_record_add_text(r, "outcome", outcome);
    status = hq_record_finish(r, out, err);
  }
  hq_buf_free(&key);
  return status ? status : hq_ok(err);
}

/* ---- delete ---- */

static heroq_status out_of_dead(heroq_supervisor *self, hq_slice id, const hq_reply *deleted, heroq_call *call,
                                heroq_error *err) {
  hq_batch b;
  hq_qkeys q;
  if (hq_known_queue(hq_reply_str(hq_reply_at(deleted, 1)), hq_reply_str(hq_reply_at(deleted, 2)), &q)) return HEROQ_OK;
  hq_batch_init(&b);
  hq_batch_words(&b, "HDEL", q.key[HQ_Q_REASONS].p, id.p, NULL);
  hq_batch_words(&b, "ZREM", q.key[HQ_Q_DEAD].p, id.p, NULL);
  heroq_status status = hq_ask(self->client, &b, q.key[HQ_Q_DEAD].p, call, err);
  hq_batch_free(&b);
  hq_qkeys_free(&q);
  return status;
}

heroq_status heroq_supervisor_delete_job(heroq_supervisor *self, const char *job_id, heroq_call *call,
                                         heroq_error *err) {
  enum { UNKNOWN, DELETED, RUNS };
  hq_buf key = {0};
  hq_batch b;
  const char *outcome = "";
  heroq_status status = hq_supervisor_enter_id(self, job_id, &key, err);
  if (status) return status;
  hq_batch_init(&b);
  hq_put_delete(&b, hq_buf_cstr(&key), TOMBSTONE_MS);
  status = hq_ask(self->client, &b, hq_buf_cstr(&key), call, err);
  if (status == HEROQ_OK) {
    const hq_reply *r = hq_batch_reply(&b, 0);
    int64_t verdict = hq_reply_int(hq_reply_at(r, 0), -1);
    if (verdict == DELETED)
      status = out_of_dead(self, hq_slice_of(job_id), r, call, err);
    else if (verdict == UNKNOWN)
      status = hq_fail(err, HEROQ_E_NOT_FOUND, "%s is not there", hq_buf_cstr(&key));
    else if (verdict == RUNS) {
      status = stop(self, hq_slice_of(job_id), hq_buf_cstr(&key), &outcome, call, err);
      if (status == HEROQ_OK)
        status =
            hq_fail(err, HEROQ_E_BUSY, "%s runs: it was asked to stop, delete it when it has ended", hq_buf_cstr(&key));
    } else
      status = hq_fail(err, HEROQ_E_PROTOCOL, "%s: an answer that heroq does not understand", hq_buf_cstr(&key));
  }
  hq_batch_free(&b);
  hq_buf_free(&key);
  return status ? status : hq_ok(err);
}

/* ---- requeue ---- */

/* The queue that the job had, else the one that the caller names, else that of its type. */
static heroq_status requeue_target(const hq_reply *r, const heroq_options *o, const char *key, hq_qkeys *q,
                                   heroq_error *err) {
  hq_slice queue = hq_reply_str(hq_reply_at(r, 1)), type = hq_reply_str(hq_reply_at(r, 2));
  const char *named = hq_option_text(o, HQ_OPT_TYPE), *group = hq_option_text(o, HQ_OPT_GROUP);
  heroq_bytes *text = NULL;
  if (!queue.n && (*named || *group)) {
    heroq_status status =
        heroq_key_actor_queue(*named ? named : type.p, group, hq_option_text(o, HQ_OPT_INSTANCE), &text, err);
    if (status) return status;
    queue = (hq_slice){heroq_bytes_data(text), heroq_bytes_size(text)};
  }
  heroq_status status = hq_known_queue(queue, type, q);
  heroq_bytes_free(text);
  if (status == HEROQ_E_NOMEM) return hq_fail_nomem(err);
  return status == HEROQ_OK
             ? HEROQ_OK
             : hq_fail(err, HEROQ_E_INVALID, "%s names no queue and no script_type: give the option type", key);
}

/* The hash stands at dispatched. What was said to or by the earlier run must go before the id can run again: its reply,
 * and a request to stop it that is still on the ctl list. */
static heroq_status forget_run(heroq_supervisor *self, hq_slice id, hq_slice type, heroq_call *call, heroq_error *err) {
  hq_buf reply = {0}, ctl = {0};
  hq_batch b;
  hq_batch_init(&b);
  hq_key_reply_of(&reply, id);
  hq_batch_words(&b, "DEL", hq_buf_cstr(&reply), NULL);
  if (hq_name_ok(type)) {
    hq_key_ctl(&ctl, type.p);
    hq_put_ctl_remove(&b, hq_buf_cstr(&ctl), id);
  }
  heroq_status status = hq_ask(self->client, &b, hq_buf_cstr(&reply), call, err);
  /* a ctl key of a wrong type asks nobody to stop */
  if (status == HEROQ_OK && b.count > 1 && !hq_reply_is_error(hq_batch_reply(&b, 1), "WRONGTYPE"))
    status = hq_reply_to_error(hq_batch_reply(&b, 1), hq_buf_cstr(&ctl), err);
  hq_batch_free(&b);
  hq_buf_free(&ctl);
  hq_buf_free(&reply);
  return status;
}

static heroq_status push_again(heroq_supervisor *self, hq_slice id, const hq_qkeys *q, heroq_call *call,
                               heroq_error *err) {
  hq_batch b;
  hq_batch_init(&b);
  hq_put_push_again(&b, q, id);
  if (hq_durable(self->client)) hq_durable_put(self->client, &b);
  heroq_status status = hq_ask(self->client, &b, q->key[HQ_Q].p, call, err);
  if (status == HEROQ_OK && b.count > 1) status = hq_durable_answer(self->client, &b, 1, err);
  hq_batch_free(&b);
  return status;
}

heroq_status heroq_supervisor_requeue_job(heroq_supervisor *self, const char *job_id, const heroq_options *options,
                                          heroq_call *call, heroq_error *err) {
  static const int allowed[] = {HQ_OPT_TYPE, HQ_OPT_GROUP, HQ_OPT_INSTANCE, -1};
  hq_buf key = {0};
  hq_batch b;
  hq_qkeys q;
  /* before the hash is changed: what is refused afterwards would leave the job in no queue */
  const char *named = hq_option_text(options, HQ_OPT_TYPE);
  heroq_status status = hq_options_only(options, "requeue_job", allowed, err);
  if (status == HEROQ_OK) status = hq_supervisor_check_place(*named ? named : NULL, options, err);
  if (status == HEROQ_OK) status = hq_supervisor_enter_id(self, job_id, &key, err);
  if (status) return status;
  hq_batch_init(&b);
  hq_put_requeue(&b, hq_buf_cstr(&key));
  status = hq_ask(self->client, &b, hq_buf_cstr(&key), call, err);
  if (status == HEROQ_OK) {
    const hq_reply *r = hq_batch_reply(&b, 0);
    int64_t verdict = hq_reply_int(hq_reply_at(r, 0), -2);
    if (verdict == 0)
      status = hq_fail(err, HEROQ_E_BUSY, "%s has not ended", hq_buf_cstr(&key));
    else if (verdict != 1)
      status = hq_fail(err, HEROQ_E_NOT_FOUND, "%s is not there, or has no script", hq_buf_cstr(&key));
    else if ((status = requeue_target(r, options, hq_buf_cstr(&key), &q, err)) == HEROQ_OK) {
      hq_slice id = hq_slice_of(job_id);
      status = forget_run(self, id, hq_reply_str(hq_reply_at(r, 2)), call, err);
      if (status == HEROQ_OK) status = push_again(self, id, &q, call, err);
      hq_qkeys_free(&q);
    }
  }
  hq_batch_free(&b);
  hq_buf_free(&key);
  return status ? status : hq_ok(err);
}
