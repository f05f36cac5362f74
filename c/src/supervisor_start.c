/* Starting a job whose hash stands there: which queue it goes to, and the push. */
#include "clock.h"
#include "errors.h"
#include "keys_private.h"
#include "store.h"
#include "supervisor_private.h"

/* What start_job reads. */
enum start_field { SF_STATUS, SF_SCRIPT, SF_TYPE, SF_PREREQUISITES, SF_QUEUE };

static void put_look(hq_batch *b, const char *key) {
  hq_batch_words(b, "HMGET", key, "status", "script", "script_type", "prerequisites", "hq_queue", NULL);
}

static hq_slice start_field(const hq_reply *fields, int f) { return hq_reply_str(hq_reply_at(fields, (uint32_t)f)); }

static heroq_status may_start(const hq_reply *fields, const char *key, heroq_error *err) {
  hq_slice status = start_field(fields, SF_STATUS), waits_for = start_field(fields, SF_PREREQUISITES);
  if (!status.p && !start_field(fields, SF_SCRIPT).p)
    return hq_fail(err, HEROQ_E_NOT_FOUND, "%s is not there: store the job before it is started", key);
  if (hq_state_terminal(hq_state_parse(status)))
    return hq_fail(err, HEROQ_E_STATE, "%s has ended (%.*s): requeue it to run it again", key, (int)status.n, status.p);
  if (waits_for.n && !hq_slice_is(waits_for, "[]"))
    return hq_fail(err, HEROQ_E_UNSUPPORTED, "%s has prerequisites, which cannot be waited for: start it without them",
                   key);
  return HEROQ_OK;
}

heroq_status hq_supervisor_check_place(const char *script_type, const heroq_options *o, heroq_error *err) {
  heroq_bytes *key = NULL;
  heroq_status status = heroq_key_actor_queue(script_type ? script_type : "any", hq_option_text(o, HQ_OPT_GROUP),
                                              hq_option_text(o, HQ_OPT_INSTANCE), &key, err);
  heroq_bytes_free(key);
  return status;
}

/* The queue to start in: what the call names, else what the hash names. *named: the hash says so already. */
static heroq_status find_queue(const hq_reply *fields, const char *key, const char *script_type, const heroq_options *o,
                               hq_buf *queue, bool *named, heroq_error *err) {
  hq_slice type = start_field(fields, SF_TYPE), says = start_field(fields, SF_QUEUE), part[3];
  hq_buf by_type = {0};
  heroq_bytes *asked = NULL;
  heroq_status status = HEROQ_OK;
  bool says_queue = says.p && hq_key_queue_parts(says, &part[0], &part[1], &part[2]);
  if (!says_queue && hq_name_ok(type)) {
    hq_key_queue(&by_type, type.p, NULL, NULL);
    says = (hq_slice){by_type.p, by_type.n};
  }
  if (says_queue && !script_type && !*hq_option_text(o, HQ_OPT_GROUP)) {
    hq_buf_add(queue, says.p, says.n);
  } else if (!script_type && !type.p) {
    status = hq_fail(err, HEROQ_E_INVALID, "%s names no script_type: give one", key);
  } else {
    status = heroq_key_actor_queue(script_type ? script_type : type.p, hq_option_text(o, HQ_OPT_GROUP),
                                   hq_option_text(o, HQ_OPT_INSTANCE), &asked, err);
    if (status == HEROQ_OK) hq_buf_text(queue, heroq_bytes_data(asked));
  }
  if (status == HEROQ_OK && (by_type.failed || !*hq_buf_cstr(queue))) status = hq_fail_nomem(err);
  *named = status == HEROQ_OK && says.p && hq_slice_is(says, hq_buf_cstr(queue));
  heroq_bytes_free(asked);
  hq_buf_free(&by_type);
  return status;
}

static heroq_status push_one(heroq_supervisor *self, const char *job_id, const char *key, const char *queue, bool named,
                             const heroq_options *o, hq_batch *b, heroq_call *call, heroq_error *err) {
  hq_start s = {.delay = hq_option_int(o, HQ_OPT_DELAY),
                .at = hq_option_int(o, HQ_OPT_AT),
                .urgent = hq_option_int(o, HQ_OPT_URGENT) != 0,
                .durable = hq_durable(self->client)};
  hq_slice id = hq_slice_of(job_id);
  if (!hq_qkeys_init(&s.queue, queue)) return hq_fail_nomem(err);
  hq_batch_reset(b);
  if (!named) hq_put_place(b, key, queue);
  uint32_t push = hq_start_put(self->client, b, &s, &id, 1);
  heroq_status status = hq_client_exchange(self->client, b, HQ_NEVER, call, err);
  if (status == HEROQ_OK && !named) status = hq_reply_to_error(hq_batch_reply(b, 0), key, err);
  if (status == HEROQ_OK) status = hq_start_answer(self->client, b, push, &s, err);
  hq_start_free(&s);
  return status;
}

heroq_status heroq_supervisor_start_job(heroq_supervisor *self, const char *job_id, const char *script_type,
                                        const heroq_options *options, heroq_call *call, heroq_error *err) {
  static const int allowed[] = {HQ_OPT_GROUP, HQ_OPT_INSTANCE, HQ_OPT_DELAY, HQ_OPT_AT, HQ_OPT_URGENT, -1};
  hq_buf key = {0}, queue = {0};
  bool named;
  heroq_status status = hq_options_only(options, "start_job", allowed, err);
  if (status == HEROQ_OK) status = hq_supervisor_check_place(script_type, options, err);
  if (status == HEROQ_OK) status = hq_supervisor_enter_id(self, job_id, &key, err);
  if (status) return status;
  hq_batch b;
  hq_batch_init(&b);
  put_look(&b, hq_buf_cstr(&key));
  status = hq_ask(self->client, &b, hq_buf_cstr(&key), call, err);
  const hq_reply *fields = hq_batch_reply(&b, 0);
  if (status == HEROQ_OK) status = may_start(fields, hq_buf_cstr(&key), err);
  if (status == HEROQ_OK) status = find_queue(fields, hq_buf_cstr(&key), script_type, options, &queue, &named, err);
  if (status == HEROQ_OK)
    status = push_one(self, job_id, hq_buf_cstr(&key), hq_buf_cstr(&queue), named, options, &b, call, err);
  hq_batch_free(&b);
  hq_buf_free(&queue);
  hq_buf_free(&key);
  return status ? status : hq_ok(err);
}
