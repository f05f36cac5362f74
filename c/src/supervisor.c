/* The supervisor: its life, creating and submitting one job, reading one job. */
#include "supervisor_private.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "errors.h"
#include "keys_private.h"
#include "record_private.h"
#include "store.h"
#include "wire.h"

/* ---- life ---- */

static void child_ref(void *self) { hq_life_ref(&((heroq_supervisor *)self)->closing.life); }

static void child_unref(void *self) {
  heroq_supervisor *s = self;
  if (!hq_life_unref(&s->closing.life)) return;
  hq_client_disown(s->client, &s->child);
  hq_client_unref(s->client);
  if (!hq_life_forked(&s->closing.life)) pthread_mutex_destroy(&s->lock);
  hq_closing_free(&s->closing);
  heroq_options_free(s->options);
  free(s);
}

static void child_close(void *self) { heroq_supervisor_close(self); }

heroq_status heroq_supervisor_open(heroq_client *client, const heroq_options *options, heroq_supervisor **out,
                                   heroq_error *err) {
  if (!out) return hq_fail(err, HEROQ_E_INVALID, "heroq_supervisor_open: out is NULL");
  *out = NULL;
  heroq_status status = hq_client_enter(client, err);
  if (status) return status;
  heroq_supervisor *s = calloc(1, sizeof *s);
  if (!s) return hq_fail_nomem(err);
  int fault = hq_closing_init(&s->closing);
  s->options = hq_options_merge(hq_client_options(client), options);
  s->client = client;
  s->child = (hq_child){.close = child_close, .ref = child_ref, .unref = child_unref, .self = s};
  if (fault)
    status = hq_fail_errno(err, HEROQ_E_INTERNAL, fault, "no descriptor for a supervisor");
  else if (!s->options)
    status = hq_fail_nomem(err);
  else
    status = hq_client_adopt(client, &s->child, err);
  if (status) {
    hq_closing_free(&s->closing);
    heroq_options_free(s->options);
    free(s);
    return status;
  }
  pthread_mutex_init(&s->lock, NULL);
  *out = s;
  return hq_ok(err);
}

void heroq_supervisor_close(heroq_supervisor *self) {
  if (!self || hq_life_forked(&self->closing.life) || !hq_closing_close(&self->closing)) return;
  pthread_mutex_lock(&self->lock);
  for (hq_shared_await *a = self->awaits; a; a = a->next) heroq_waiter_close(a->waiter);
  pthread_mutex_unlock(&self->lock);
  hq_client_disown(self->client, &self->child);
}

void heroq_supervisor_free(heroq_supervisor *self) {
  if (self) child_unref(self);
}

heroq_status hq_supervisor_enter(const heroq_supervisor *s, heroq_error *err) {
  heroq_status status = hq_life_enter(s ? &s->closing.life : NULL, "supervisor", err);
  return status ? status : hq_client_enter(s->client, err);
}

heroq_status hq_supervisor_enter_id(const heroq_supervisor *s, const char *job_id, hq_buf *key, heroq_error *err) {
  heroq_status status = hq_supervisor_enter(s, err);
  if (status) return status;
  if (!job_id) return hq_fail(err, HEROQ_E_INVALID, "the job id is NULL");
  if (!hq_wire_id_ok(hq_slice_of(job_id)))
    return hq_fail(err, HEROQ_E_INVALID,
                   "a job id is 1 to 256 printable characters without space and braces, not '%.64s'", job_id);
  hq_key_job(key, hq_slice_of(job_id));
  hq_buf_cstr(key);
  if (!key->failed) return HEROQ_OK;
  hq_buf_free(key);
  return hq_fail_nomem(err);
}

/* ---- create and submit ---- */

heroq_status heroq_supervisor_create_job(heroq_supervisor *self, heroq_job *job, heroq_call *call, heroq_error *err) {
  heroq_status status = hq_supervisor_enter(self, err);
  return status ? status : heroq_job_store_in_redis(job, self->client, call, err);
}

heroq_status heroq_supervisor_submit(heroq_supervisor *self, heroq_job *job, heroq_call *call, heroq_error *err) {
  heroq_status status = hq_supervisor_enter(self, err);
  if (status == HEROQ_OK) status = hq_store_check(self->client, job, true, err);
  if (status) return status;
  hq_store_freeze(job);
  hq_conn *conn = NULL;
  status = hq_pool_take(self->client, &conn, HQ_NEVER, call, err);
  if (status) return status;
  hq_batch b;
  hq_batch_init(&b);
  hq_submit submit = {.client = self->client, .also = &self->closing, .job = job};
  status = hq_submit_run(&submit, conn, &b, HQ_NEVER, call, err);
  hq_pool_give(self->client, conn);
  hq_batch_free(&b);
  return status ? status : hq_ok(err);
}

/* ---- read one ---- */

heroq_status heroq_supervisor_get_job(heroq_supervisor *self, const char *job_id, heroq_job **out, heroq_call *call,
                                      heroq_error *err) {
  hq_buf key = {0};
  if (!out) return hq_fail(err, HEROQ_E_INVALID, "heroq_supervisor_get_job: out is NULL");
  *out = NULL;
  heroq_status status = hq_supervisor_enter_id(self, job_id, &key, err);
  if (status) return status;
  hq_batch b;
  hq_batch_init(&b);
  hq_batch_words(&b, "HGETALL", hq_buf_cstr(&key), NULL);
  status = hq_ask(self->client, &b, hq_buf_cstr(&key), call, err);
  if (status == HEROQ_OK) status = hq_wire_job_from_hash(hq_slice_of(job_id), hq_batch_reply(&b, 0), out, err);
  hq_batch_free(&b);
  hq_buf_free(&key);
  return status ? status : hq_ok(err);
}

/* One field; *out stays NULL if the hash has none. `lower`: in lower case, and "" for none. */
static heroq_status get_field(heroq_supervisor *self, const char *job_id, const char *field, bool lower,
                              heroq_bytes **out, heroq_call *call, heroq_error *err) {
  hq_buf key = {0}, text = {0};
  if (!out) return hq_fail(err, HEROQ_E_INVALID, "get_%s: out is NULL", field);
  *out = NULL;
  heroq_status status = hq_supervisor_enter_id(self, job_id, &key, err);
  if (status) return status;
  hq_batch b;
  hq_batch_init(&b);
  hq_batch_words(&b, "HGET", hq_buf_cstr(&key), field, NULL);
  hq_batch_words(&b, "EXISTS", hq_buf_cstr(&key), NULL);
  status = hq_ask(self->client, &b, hq_buf_cstr(&key), call, err);
  hq_slice value = hq_reply_str(hq_batch_reply(&b, 0));
  if (status == HEROQ_OK && !value.p && hq_reply_int(hq_batch_reply(&b, 1), 0) == 0)
    status = hq_fail(err, HEROQ_E_NOT_FOUND, "%s is not there", hq_buf_cstr(&key));
  if (status == HEROQ_OK && (value.p || lower)) {
    hq_buf_add(&text, value.p, value.n);
    for (size_t i = 0; lower && !text.failed && i < text.n; i++)
      if (text.p[i] >= 'A' && text.p[i] <= 'Z') text.p[i] = (char)(text.p[i] + 'a' - 'A');
    status = hq_bytes_take(&text, out, err);
  }
  hq_batch_free(&b);
  hq_buf_free(&key);
  return status ? status : hq_ok(err);
}

heroq_status heroq_supervisor_get_status(heroq_supervisor *self, const char *job_id, heroq_bytes **out,
                                         heroq_call *call, heroq_error *err) {
  return get_field(self, job_id, "status", true, out, call, err);
}

heroq_status heroq_supervisor_get_output(heroq_supervisor *self, const char *job_id, heroq_bytes **out,
                                         heroq_call *call, heroq_error *err) {
  return get_field(self, job_id, "output", false, out, call, err);
}

heroq_status heroq_supervisor_get_error(heroq_supervisor *self, const char *job_id, heroq_bytes **out, heroq_call *call,
                                        heroq_error *err) {
  return get_field(self, job_id, "error", false, out, call, err);
}
