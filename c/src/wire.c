/* Job ⇄ hash fields. What comes from the server is not trusted: what cannot be read is kept, and counts as the
 * default. */
#include "wire.h"

#include <string.h>

#include "clock.h"
#include "delivery.h"
#include "errors.h"
#include "keys_private.h"
#include "scripts.h"

/* Whether a new hash gets the field as the job has it. A job that was read from a hash or from JSON may carry the
 * results and the private fields of an earlier run. */
static bool goes_along(int field) {
  switch (field) {
  case HQ_F_STATUS:
  case HQ_F_CREATED_AT:
  case HQ_F_UPDATED_AT:
  case HQ_F_OUTPUT:
  case HQ_F_ERROR:
  case HQ_F_HQ_TTL:
  case HQ_F_HQ_REPLY_TO: return false;
  default: return true;
  }
}

static bool is_private(const char *name) { return !strncmp(name, "hq_", 3); }

/* Whoever stops, requeues or awaits it would look into the queue of its type. */
static bool needs_queue(const heroq_job *job) { return job->group && hq_name_ok(hq_job_slice(job, HQ_F_SCRIPT_TYPE)); }

static bool is_delayed(const heroq_job *job) { return job->delay > 0 || job->at > 0; }

uint32_t hq_wire_field_args(const heroq_job *job, hq_slice reply_to) {
  /* status, createdAt, updatedAt, hq_ttl; hq_expires, hq_due, hq_queue */
  uint32_t n = 4 + !!reply_to.p + !!job->expires + is_delayed(job) + needs_queue(job);
  for (int f = 0; f < HQ_F_COUNT; f++) n += goes_along(f) && job->field[f].p;
  for (uint32_t i = 0; i < job->extra_count; i++) n += !is_private(job->extra[i].name);
  return 2 * n;
}

static void put(hq_batch *b, const char *name, hq_slice value) {
  hq_batch_text_arg(b, name);
  hq_batch_slice(b, value);
}

void hq_wire_put_fields(hq_batch *b, const heroq_job *job, hq_slice reply_to, int64_t now) {
  char text[32];
  hq_rfc3339(now, text);
  hq_slice ttl = job->field[HQ_F_HQ_TTL], time = hq_slice_of(text);
  for (int f = 0; f < HQ_F_COUNT; f++)
    if (goes_along(f) && job->field[f].p) put(b, hq_field_name[f], job->field[f]);
  for (uint32_t i = 0; i < job->extra_count; i++)
    if (!is_private(job->extra[i].name)) put(b, job->extra[i].name, job->extra[i].value);
  put(b, hq_field_name[HQ_F_STATUS], hq_slice_of(hq_job_waits(job) ? HEROQ_STATUS_WAITING : HEROQ_STATUS_DISPATCHED));
  put(b, hq_field_name[HQ_F_CREATED_AT], time);
  put(b, hq_field_name[HQ_F_UPDATED_AT], time);
  put(b, hq_field_name[HQ_F_HQ_TTL], ttl.p ? ttl : hq_slice_of(HQ_DEFAULT_TTL));
  if (reply_to.p) put(b, hq_field_name[HQ_F_HQ_REPLY_TO], reply_to);
  if (job->expires) {
    hq_batch_text_arg(b, "hq_expires");
    hq_batch_int(b, now + job->expires);
  }
  if (is_delayed(job)) {
    hq_batch_text_arg(b, "hq_due");
    hq_batch_int(b, job->at > 0 ? job->at : now + job->delay);
  }
  if (!needs_queue(job)) return;
  hq_buf queue = {0};
  hq_key_queue(&queue, hq_job_slice(job, HQ_F_SCRIPT_TYPE).p, job->group, job->instance);
  if (queue.failed)
    b->failed = true;
  else
    put(b, "hq_queue", (hq_slice){queue.p, queue.n});
  hq_buf_free(&queue);
}

void hq_wire_put_create(hq_batch *b, const heroq_job *job, hq_slice reply_to) {
  char key[sizeof HQ_JOB_PREFIX + 256];
  hq_slice id = job->field[HQ_F_JOB_ID];
  uint32_t args = hq_wire_field_args(job, reply_to);
  size_t prefix = sizeof HQ_JOB_PREFIX - 1;
  if (id.n > sizeof key - prefix) { /* no id that passed a check */
    b->failed = true;
    return;
  }
  memcpy(key, HQ_JOB_PREFIX, prefix);
  memcpy(key + prefix, id.p, id.n);
  if (job->id_given) {
    hq_batch_script(b, HQ_SCRIPT_CREATE, 1, args);
  } else {
    hq_batch_begin(b, args + 2, -1);
    hq_batch_arg(b, "HSET", 4);
  }
  hq_batch_arg(b, key, prefix + id.n);
  hq_wire_put_fields(b, job, reply_to, hq_wall_ms());
}

/* ---- hash → job ---- */

/* A name from the wire as a C text: bytes that cannot stand in one are escaped. */
static bool keep_foreign(heroq_job *job, hq_slice name, hq_slice value) {
  char text[1024];
  hq_escape(text, sizeof text, name.p, name.n);
  return hq_job_add_extra(job, text, value);
}

static heroq_status fill(heroq_job *job, hq_slice id, const hq_reply *pairs, char *room, heroq_error *err) {
  for (uint32_t i = 0; i + 1 < hq_reply_count(pairs); i += 2) {
    hq_slice name = hq_reply_str(hq_reply_at(pairs, i)), value = hq_reply_str(hq_reply_at(pairs, i + 1));
    int field = hq_field_find(name);
    if (!name.p || !value.p) continue;
    if (field >= 0 && !job->field[field].p)
      hq_job_place(job, field, value, &room);
    else if (field < 0 && !keep_foreign(job, name, value))
      return hq_fail_nomem(err);
  }
  hq_job_place(job, HQ_F_JOB_ID, id, &room); /* the key knows better than the field */
  hq_job_see_status(job);
  job->id_given = true;
  hq_job_freeze(job);
  return hq_ok(err);
}

heroq_status hq_wire_job_from_hash(hq_slice id, const hq_reply *pairs, heroq_job **out, heroq_error *err) {
  char *room;
  size_t size = id.n + 1;
  *out = NULL;
  if (!pairs || pairs->type != HQ_ARRAY)
    return hq_fail(err, HEROQ_E_PROTOCOL, "job %.*s: the server did not answer with the fields of a hash",
                   (int)(id.n < 256 ? id.n : 256), id.p);
  if (!pairs->count) return hq_fail(err, HEROQ_E_NOT_FOUND, "no job %.*s", (int)(id.n < 256 ? id.n : 256), id.p);
  for (uint32_t i = 1; i < pairs->count; i += 2) size += hq_reply_str(hq_reply_at(pairs, i)).n + 1;
  heroq_job *job = hq_job_alloc(size, &room);
  if (!job) return hq_fail_nomem(err);
  heroq_status status = fill(job, id, pairs, room, err);
  if (status)
    heroq_job_free(job);
  else
    *out = job;
  return status;
}

heroq_job *hq_wire_job_from_claim(hq_slice id, const char *script_type, const hq_reply *fields, int64_t attempt) {
  static const int field[] = {HQ_F_SCRIPT,     HQ_F_TIMEOUT,  HQ_F_RETRIES,   HQ_F_CALLER_ID,
                              HQ_F_CONTEXT_ID, HQ_F_ENV_VARS, HQ_F_HQ_HEADERS};
  _Static_assert(sizeof field / sizeof *field == HQ_CLAIM_FIELD_COUNT, "as HQ_CLAIM_FIELDS");
  hq_slice value[HQ_CLAIM_FIELD_COUNT], type = hq_slice_of(script_type);
  size_t size = id.n + 1 + type.n + 1;
  char *room;
  for (uint32_t i = 0; i < HQ_CLAIM_FIELD_COUNT; i++) {
    value[i] = hq_reply_str(hq_reply_at(fields, i));
    size += value[i].n + 1;
  }
  heroq_job *job = hq_job_alloc(size, &room);
  if (!job) return NULL;
  hq_job_place(job, HQ_F_JOB_ID, id, &room);
  hq_job_place(job, HQ_F_SCRIPT_TYPE, type, &room);
  for (uint32_t i = 0; i < HQ_CLAIM_FIELD_COUNT; i++)
    if (value[i].p) hq_job_place(job, field[i], value[i], &room);
  job->field[HQ_F_STATUS] = hq_slice_of(HEROQ_STATUS_STARTED);
  hq_job_see_status(job);
  job->id_given = true;
  job->attempt = attempt;
  hq_job_freeze(job);
  return job;
}
