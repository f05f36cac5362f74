/* Job ⇄ JSON. Start options (delay, group, …) are no fields and do not travel. */
#include "clock.h"
#include "errors.h"
#include "job_private.h"
#include "json.h"
#include "record_private.h"

heroq_status heroq_job_to_json(const heroq_job *self, heroq_bytes **out, heroq_error *err) {
  heroq_record *record;
  if (out) *out = NULL;
  if (!self || !out) return hq_fail(err, HEROQ_E_INVALID, "heroq_job_to_json: %s is NULL", self ? "out" : "the job");
  heroq_status status = heroq_job_to_record(self, &record, err);
  if (status) return status;
  status = heroq_record_json(record, out, err);
  heroq_record_free(record);
  return status;
}

static heroq_status member(void *self, const char *name, hq_slice value, hq_slice raw, heroq_error *err) {
  int field = hq_field_find(hq_slice_of(name));
  /* An environment whose one variable is called "base64" is still an environment. */
  bool map = (field == HQ_F_ENV_VARS || field == HQ_F_HQ_HEADERS) && *raw.p == '{';
  if (!map && !value.p) return hq_fail(err, HEROQ_E_JSON, "\"%.80s\": not valid base64", name);
  return hq_job_set(self, name, map ? raw : value, err);
}

/* What a new job has, where the JSON does not say otherwise. */
static heroq_status complete(heroq_job *job, heroq_error *err) {
  char id[37];
  heroq_status status = HEROQ_OK;
  if (job->field[HQ_F_JOB_ID].p) {
    job->id_given = true;
  } else {
    hq_uuid7(id);
    status = hq_job_set(job, hq_field_name[HQ_F_JOB_ID], hq_slice_of(id), err);
  }
  if (!job->field[HQ_F_STATUS].p) hq_job_first_status(job);
  return status;
}

heroq_status heroq_job_from_json(const void *json, size_t size, heroq_job **out, heroq_error *err) {
  char *room;
  if (out) *out = NULL;
  if (!json || !out) return hq_fail(err, HEROQ_E_INVALID, "heroq_job_from_json: %s is NULL", json ? "out" : "json");
  heroq_job *job = hq_job_alloc(0, &room);
  if (!job) return hq_fail_nomem(err);
  heroq_status status = hq_json_members((hq_slice){json, size}, member, job, err);
  if (!status) status = complete(job, err);
  if (status) {
    heroq_job_free(job);
    return status;
  }
  *out = job;
  return hq_ok(err);
}
