/* The one shared surface: every public function of the C library, as a flat function under its C name. A language's .i
 * includes this file after it has said how it raises a heroq_error (typemap argout) and, where it differs from SWIG's
 * cdata.i, how it passes bytes. Classes are made by each language's own thin layer.
 *
 * What differs from the headers, in all languages alike:
 * - `T **out` becomes the return value, owned by the caller and freed by the class's _free; NULL after an error.
 * - a status that can only say "error" is not returned: the language raises it.
 * - bytes go in as (BYTES, LENGTH) and come out as SWIGCDATA, a copy (data NULL: there are none).
 * Not wrapped, and why: see tests/abi/test_surface.py. */

%include <stdint.i>
%ignore memmove; /* of cdata.i */
%include <cdata.i>

/* Constants come from the headers themselves; of their functions, what the typemaps below stand for is left out. */
%ignore heroq_error;
%ignore heroq_error_new;
%ignore heroq_error_free;
%ignore heroq_error_code;
%ignore heroq_error_flags;
%ignore heroq_error_errno;
%ignore heroq_error_item;
%ignore heroq_error_text;
%ignore heroq_status_at;
%include "heroq/base.h"
%include "heroq/error.h"

%{
#include <heroq/heroq.h>
#include <string.h>

static SWIGCDATA hqi_cdata(const void *data, size_t size) {
  SWIGCDATA out;
  out.data = (char *)data;
  out.len = size;
  return out;
}

/* An await that ends with HEROQ_E_FAILED has the job's whole error in its output. Only a language that can hand out both
 * defines HEROQ_I_KEEPS_FAILED; for the others the handle would leak. */
static heroq_bytes *hqi_awaited(heroq_bytes *out, const heroq_error *err) {
#ifndef HEROQ_I_KEEPS_FAILED
  if (err->code != HEROQ_OK) {
    heroq_bytes_free(out);
    return NULL;
  }
#else
  (void)err;
#endif
  return out;
}
%}

%typemap(in, numinputs=0) heroq_error *err (heroq_error failure) {
  memset(&failure, 0, sizeof failure);
  $1 = &failure;
}

/* A function whose C name and parameters stay, but whose result is made by BODY. */
%define HEROQ_I(RESULT, NAME, PARAMETERS, BODY)
%insert("header") {
static RESULT hqi_##NAME PARAMETERS BODY
}
%rename(NAME) hqi_##NAME;
RESULT hqi_##NAME PARAMETERS;
%enddef

/* A function that answers through `T **out`. */
%define HEROQ_OUT(TYPE, NAME, PARAMETERS, CALL)
HEROQ_I(TYPE *, NAME, PARAMETERS, { TYPE *out = NULL; NAME CALL; return out; })
%enddef

/* A getter of bytes: `const void *NAME(self, …, size_t *size)`. */
%define HEROQ_BYTES(NAME, PARAMETERS, CALL)
HEROQ_I(SWIGCDATA, NAME, PARAMETERS, { size_t size = 0; const void *data = NAME CALL; return hqi_cdata(data, size); })
%enddef

/* ---- constants of record.h and actor.h ---- */
%constant int HEROQ_VALUE_NONE = HEROQ_VALUE_NONE;
%constant int HEROQ_VALUE_INT64 = HEROQ_VALUE_INT64;
%constant int HEROQ_VALUE_DOUBLE = HEROQ_VALUE_DOUBLE;
%constant int HEROQ_VALUE_TEXT = HEROQ_VALUE_TEXT;
%constant int HEROQ_VALUE_BYTES = HEROQ_VALUE_BYTES;
%constant int HEROQ_VALUE_RECORD = HEROQ_VALUE_RECORD;
%constant int HEROQ_VALUE_LIST = HEROQ_VALUE_LIST;
%constant int HEROQ_STOP_NONE = HEROQ_STOP_NONE;
%constant int HEROQ_STOP_REQUESTED = HEROQ_STOP_REQUESTED;
%constant int HEROQ_STOP_TIMEOUT = HEROQ_STOP_TIMEOUT;
%constant int HEROQ_STOP_LOST = HEROQ_STOP_LOST;
%constant int HEROQ_STOP_DRAIN = HEROQ_STOP_DRAIN;
%constant int HEROQ_SYNC = HEROQ_SYNC;
%constant int HEROQ_NO_RETRY = HEROQ_NO_RETRY;

/* 1 past the end, where no status is positive */
HEROQ_I(int32_t, heroq_status_at, (int32_t i),
        { heroq_status status = 1; return heroq_status_at(i, &status) == HEROQ_OK ? status : 1; })

/* ---- call.h ---- */
#ifndef HEROQ_I_NO_CALLS
HEROQ_OUT(heroq_call, heroq_call_new, (heroq_error *err), (&out, err))
void heroq_call_set_timeout(heroq_call *self, int64_t timeout_ms, heroq_error *err);
void heroq_call_cancel(heroq_call *self);
void heroq_call_reset(heroq_call *self);
int32_t heroq_call_is_cancelled(const heroq_call *self);
void heroq_call_free(heroq_call *self);
#endif

/* ---- record.h; a language that makes values of its own from bytes and records needs none of it ---- */
#ifndef HEROQ_I_VALUES
HEROQ_OUT(heroq_bytes, heroq_bytes_new, (const void *BYTES, size_t LENGTH, heroq_error *err), (BYTES, LENGTH, &out, err))
HEROQ_I(SWIGCDATA, heroq_bytes_data, (const heroq_bytes *self),
        { return hqi_cdata(heroq_bytes_data(self), heroq_bytes_size(self)); })
void heroq_bytes_free(heroq_bytes *self);
int32_t heroq_record_count(const heroq_record *self);
const char *heroq_record_name(const heroq_record *self, int32_t i);
int32_t heroq_record_kind(const heroq_record *self, int32_t i);
int32_t heroq_record_find(const heroq_record *self, const char *name);
int64_t heroq_record_int64(const heroq_record *self, int32_t i);
double heroq_record_double(const heroq_record *self, int32_t i);
const char *heroq_record_text(const heroq_record *self, int32_t i);
HEROQ_BYTES(heroq_record_bytes, (const heroq_record *self, int32_t i), (self, i, &size))
HEROQ_OUT(heroq_record, heroq_record_child, (const heroq_record *self, int32_t i, heroq_error *err),
          (self, i, &out, err))
HEROQ_OUT(heroq_bytes, heroq_record_json, (const heroq_record *self, heroq_error *err), (self, &out, err))
void heroq_record_free(heroq_record *self);
#endif

/* ---- options.h ---- */
HEROQ_OUT(heroq_options, heroq_options_new, (heroq_error *err), (&out, err))
void heroq_options_set(heroq_options *self, const char *name, const char *value, heroq_error *err);
HEROQ_OUT(heroq_bytes, heroq_options_get, (const heroq_options *self, const char *name, heroq_error *err),
          (self, name, &out, NULL, err))
void heroq_options_free(heroq_options *self);
int32_t heroq_options_count(void);
HEROQ_OUT(heroq_record, heroq_options_describe, (int32_t i, heroq_error *err), (i, &out, err))

/* ---- keys.h ---- */
HEROQ_OUT(heroq_bytes, heroq_key_job_hash, (const char *job_id, heroq_error *err), (job_id, &out, err))
HEROQ_OUT(heroq_bytes, heroq_key_work_type, (const char *script_type, heroq_error *err), (script_type, &out, err))
HEROQ_OUT(heroq_bytes, heroq_key_work_group, (const char *script_type, const char *group, heroq_error *err),
          (script_type, group, &out, err))
HEROQ_OUT(heroq_bytes, heroq_key_work_instance,
          (const char *script_type, const char *group, const char *instance, heroq_error *err),
          (script_type, group, instance, &out, err))
HEROQ_OUT(heroq_bytes, heroq_key_reply, (const char *job_id, heroq_error *err), (job_id, &out, err))
HEROQ_OUT(heroq_bytes, heroq_key_stop_type, (const char *script_type, heroq_error *err), (script_type, &out, err))
HEROQ_OUT(heroq_bytes, heroq_key_actor_queue,
          (const char *script_type, const char *group, const char *instance, heroq_error *err),
          (script_type, group, instance, &out, err))
HEROQ_OUT(heroq_bytes, heroq_derive_script_type_from_actor_id,
          (const char *actor_id, const char *more_types, heroq_error *err), (actor_id, more_types, &out, err))
HEROQ_OUT(heroq_record, heroq_key_parse, (const char *key, heroq_error *err), (key, &out, err))
void heroq_key_check_name(const char *name, heroq_error *err);

/* ---- job.h ---- */
HEROQ_OUT(heroq_job, heroq_job_new, (const char *script_type, const void *BYTES, size_t LENGTH, heroq_error *err),
          (script_type, BYTES, LENGTH, &out, err))
HEROQ_OUT(heroq_job, heroq_job_copy, (const heroq_job *self, heroq_error *err), (self, &out, err))
HEROQ_OUT(heroq_job, heroq_job_from_json, (const void *BYTES, size_t LENGTH, heroq_error *err),
          (BYTES, LENGTH, &out, err))
HEROQ_OUT(heroq_bytes, heroq_job_to_json, (const heroq_job *self, heroq_error *err), (self, &out, err))
HEROQ_OUT(heroq_record, heroq_job_to_record, (const heroq_job *self, heroq_error *err), (self, &out, err))
void heroq_job_free(heroq_job *self);
const char *heroq_job_id(const heroq_job *self);
void heroq_job_set_id(heroq_job *self, const char *job_id, heroq_error *err);
const char *heroq_job_script_type(const heroq_job *self);
HEROQ_BYTES(heroq_job_script, (const heroq_job *self), (self, &size))
const char *heroq_job_status(const heroq_job *self);
int32_t heroq_job_is_terminal(const heroq_job *self);
HEROQ_BYTES(heroq_job_output, (const heroq_job *self), (self, &size))
HEROQ_BYTES(heroq_job_error, (const heroq_job *self), (self, &size))
int64_t heroq_job_timeout(const heroq_job *self);
int64_t heroq_job_retries(const heroq_job *self);
HEROQ_BYTES(heroq_job_field, (const heroq_job *self, const char *name), (self, name, &size))
void heroq_job_set_field(heroq_job *self, const char *name, const void *BYTES, size_t LENGTH, heroq_error *err);
void heroq_job_set_option(heroq_job *self, const char *name, const char *value, heroq_error *err);
void heroq_job_set_env(heroq_job *self, const char *name, const char *value, heroq_error *err);
void heroq_job_set_header(heroq_job *self, const char *name, const char *value, heroq_error *err);
const char *heroq_job_header(const heroq_job *self, const char *name);
void heroq_job_add_prerequisite(heroq_job *self, const char *job_id, heroq_error *err);
void heroq_job_add_dependent(heroq_job *self, const char *job_id, heroq_error *err);
void heroq_job_store_in_redis(heroq_job *self, heroq_client *client, heroq_call *call, heroq_error *err);
void heroq_job_set_result(heroq_job *self, heroq_client *client, const void *BYTES, size_t LENGTH, heroq_call *call,
                          heroq_error *err);
HEROQ_OUT(heroq_jobs, heroq_jobs_new, (heroq_error *err), (&out, err))
void heroq_jobs_add(heroq_jobs *self, heroq_job *job, heroq_error *err);
int32_t heroq_jobs_count(const heroq_jobs *self);
HEROQ_OUT(heroq_job, heroq_jobs_job, (const heroq_jobs *self, int32_t i, heroq_error *err), (self, i, &out, err))
int32_t heroq_jobs_status(const heroq_jobs *self, int32_t i);
void heroq_jobs_free(heroq_jobs *self);

/* ---- client.h ---- */
HEROQ_OUT(heroq_client, heroq_client_open,
          (const char *url, const heroq_options *options, heroq_call *call, heroq_error *err),
          (url, options, &out, call, err))
HEROQ_OUT(heroq_client, heroq_client_reopen, (const heroq_client *old, heroq_call *call, heroq_error *err),
          (old, &out, call, err))
HEROQ_I(int64_t, heroq_client_ping, (heroq_client *self, heroq_call *call, heroq_error *err),
        { int64_t out = 0; heroq_client_ping(self, &out, call, err); return out; })
HEROQ_OUT(heroq_record, heroq_client_server_info, (heroq_client *self, heroq_call *call, heroq_error *err),
          (self, &out, call, err))
HEROQ_OUT(heroq_record, heroq_client_next_event,
          (heroq_client *self, int64_t timeout_ms, heroq_call *call, heroq_error *err),
          (self, timeout_ms, &out, call, err))
int32_t heroq_client_event_fd(heroq_client *self);
void heroq_client_close(heroq_client *self);
void heroq_client_free(heroq_client *self);

/* ---- supervisor.h ---- */
HEROQ_OUT(heroq_supervisor, heroq_supervisor_open,
          (heroq_client *client, const heroq_options *options, heroq_error *err), (client, options, &out, err))
void heroq_supervisor_close(heroq_supervisor *self);
void heroq_supervisor_free(heroq_supervisor *self);
void heroq_supervisor_create_job(heroq_supervisor *self, heroq_job *job, heroq_call *call, heroq_error *err);
void heroq_supervisor_start_job(heroq_supervisor *self, const char *job_id, const char *script_type,
                                const heroq_options *options, heroq_call *call, heroq_error *err);
void heroq_supervisor_submit(heroq_supervisor *self, heroq_job *job, heroq_call *call, heroq_error *err);
void heroq_supervisor_submit_many(heroq_supervisor *self, heroq_jobs *jobs, heroq_call *call, heroq_error *err);
HEROQ_I(heroq_bytes *, heroq_supervisor_run_job_and_await_result,
        (heroq_supervisor *self, heroq_job *job, int64_t timeout_ms, heroq_call *call, heroq_error *err), {
          heroq_bytes *out = NULL;
          heroq_supervisor_run_job_and_await_result(self, job, timeout_ms, &out, call, err);
          return hqi_awaited(out, err);
        })
HEROQ_I(heroq_bytes *, heroq_supervisor_await_result,
        (heroq_supervisor *self, const char *job_id, int64_t timeout_ms, heroq_call *call, heroq_error *err), {
          heroq_bytes *out = NULL;
          heroq_supervisor_await_result(self, job_id, timeout_ms, &out, call, err);
          return hqi_awaited(out, err);
        })
HEROQ_OUT(heroq_job, heroq_supervisor_get_job,
          (heroq_supervisor *self, const char *job_id, heroq_call *call, heroq_error *err),
          (self, job_id, &out, call, err))
HEROQ_OUT(heroq_bytes, heroq_supervisor_get_status,
          (heroq_supervisor *self, const char *job_id, heroq_call *call, heroq_error *err),
          (self, job_id, &out, call, err))
HEROQ_OUT(heroq_bytes, heroq_supervisor_get_output,
          (heroq_supervisor *self, const char *job_id, heroq_call *call, heroq_error *err),
          (self, job_id, &out, call, err))
HEROQ_OUT(heroq_bytes, heroq_supervisor_get_error,
          (heroq_supervisor *self, const char *job_id, heroq_call *call, heroq_error *err),
          (self, job_id, &out, call, err))
HEROQ_OUT(heroq_record, heroq_supervisor_get_progress,
          (heroq_supervisor *self, const char *job_id, heroq_call *call, heroq_error *err),
          (self, job_id, &out, call, err))
HEROQ_OUT(heroq_record, heroq_supervisor_get_logs,
          (heroq_supervisor *self, const char *job_id, int64_t from, const heroq_options *options, heroq_call *call,
           heroq_error *err),
          (self, job_id, from, options, &out, call, err))
HEROQ_OUT(heroq_record, heroq_supervisor_read_stream,
          (heroq_supervisor *self, const char *job_id, const char *cursor, int64_t timeout_ms,
           const heroq_options *options, heroq_call *call, heroq_error *err),
          (self, job_id, cursor, timeout_ms, options, &out, call, err))
HEROQ_OUT(heroq_record, heroq_supervisor_list_jobs,
          (heroq_supervisor *self, const char *cursor, const heroq_options *options, heroq_call *call,
           heroq_error *err),
          (self, cursor, options, &out, call, err))
HEROQ_OUT(heroq_record, heroq_supervisor_redis_lines,
          (heroq_supervisor *self, const char *job_id, heroq_call *call, heroq_error *err),
          (self, job_id, &out, call, err))
HEROQ_OUT(heroq_record, heroq_supervisor_stop_job,
          (heroq_supervisor *self, const char *job_id, heroq_call *call, heroq_error *err),
          (self, job_id, &out, call, err))
void heroq_supervisor_delete_job(heroq_supervisor *self, const char *job_id, heroq_call *call, heroq_error *err);
void heroq_supervisor_requeue_job(heroq_supervisor *self, const char *job_id, const heroq_options *options,
                                  heroq_call *call, heroq_error *err);
void heroq_supervisor_retry_job(heroq_supervisor *self, const char *job_id, heroq_call *call, heroq_error *err);
HEROQ_OUT(heroq_record, heroq_supervisor_clear,
          (heroq_supervisor *self, const char *queue, const char *cursor, const heroq_options *options,
           heroq_call *call, heroq_error *err),
          (self, queue, cursor, options, &out, call, err))

/* ---- waiter.h ---- */
HEROQ_OUT(heroq_waiter, heroq_waiter_open, (heroq_client *client, const heroq_options *options, heroq_error *err),
          (client, options, &out, err))
void heroq_waiter_submit(heroq_waiter *self, heroq_job *job, int64_t tag, int64_t timeout_ms, heroq_error *err);
void heroq_waiter_submit_many(heroq_waiter *self, const heroq_jobs *jobs, int64_t first_tag, int64_t timeout_ms,
                              heroq_error *err);
void heroq_waiter_add(heroq_waiter *self, const char *job_id, int64_t tag, int64_t timeout_ms, heroq_error *err);
void heroq_waiter_fetch(heroq_waiter *self, const char *job_id, int64_t tag, int64_t timeout_ms, heroq_error *err);
void heroq_waiter_stop(heroq_waiter *self, const char *job_id, int64_t tag, int64_t timeout_ms, heroq_error *err);
void heroq_waiter_cancel(heroq_waiter *self, int64_t tag, heroq_error *err);
HEROQ_OUT(heroq_record, heroq_waiter_take,
          (heroq_waiter *self, int64_t timeout_ms, heroq_call *call, heroq_error *err),
          (self, timeout_ms, &out, call, err))
int32_t heroq_waiter_fd(heroq_waiter *self);
int32_t heroq_waiter_count(const heroq_waiter *self);
void heroq_waiter_close(heroq_waiter *self);
void heroq_waiter_free(heroq_waiter *self);

/* ---- actor.h ---- */
HEROQ_OUT(heroq_actor, heroq_actor_open,
          (heroq_client *client, const char *actor_id, const char *types, const heroq_options *options,
           heroq_call *call, heroq_error *err),
          (client, actor_id, types, options, &out, call, err))
HEROQ_OUT(heroq_job, heroq_actor_take, (heroq_actor *self, int64_t timeout_ms, heroq_call *call, heroq_error *err),
          (self, timeout_ms, &out, call, err))
HEROQ_OUT(heroq_jobs, heroq_actor_take_many,
          (heroq_actor *self, int32_t max, int64_t timeout_ms, heroq_call *call, heroq_error *err),
          (self, max, timeout_ms, &out, call, err))
int32_t heroq_actor_fd(heroq_actor *self);
HEROQ_OUT(heroq_record, heroq_actor_next_event,
          (heroq_actor *self, int64_t timeout_ms, heroq_call *call, heroq_error *err),
          (self, timeout_ms, &out, call, err))
int32_t heroq_actor_event_fd(heroq_actor *self);
HEROQ_OUT(heroq_record, heroq_actor_stats, (heroq_actor *self, heroq_error *err), (self, &out, err))
void heroq_actor_drain(heroq_actor *self, int64_t grace_ms, heroq_error *err);
/* answers how many results were not acknowledged */
HEROQ_I(int32_t, heroq_actor_close, (heroq_actor *self, int64_t grace_ms, heroq_call *call, heroq_error *err),
        { int32_t unacked = 0; heroq_actor_close(self, grace_ms, &unacked, call, err); return unacked; })
void heroq_actor_free(heroq_actor *self);
void heroq_job_finish(heroq_job *self, const void *BYTES, size_t LENGTH, uint32_t flags, heroq_call *call,
                      heroq_error *err);
void heroq_job_fail(heroq_job *self, const void *BYTES, size_t LENGTH, uint32_t flags, heroq_call *call,
                    heroq_error *err);
void heroq_job_retry(heroq_job *self, int64_t delay_ms, const void *BYTES, size_t LENGTH, uint32_t flags,
                     heroq_call *call, heroq_error *err);
void heroq_job_release(heroq_job *self, uint32_t flags, heroq_call *call, heroq_error *err);
void heroq_job_progress(heroq_job *self, double percent, const char *text, heroq_error *err);
void heroq_job_log(heroq_job *self, const void *BYTES, size_t LENGTH, heroq_call *call, heroq_error *err);
void heroq_job_stream(heroq_job *self, const void *BYTES, size_t LENGTH, heroq_call *call, heroq_error *err);
int32_t heroq_job_stop_reason(const heroq_job *self);
int64_t heroq_job_attempt(const heroq_job *self);
int64_t heroq_job_waited_since(const heroq_job *self);
int64_t heroq_job_token(const heroq_job *self);

/* ---- queue.h, doctor.h ---- */
HEROQ_OUT(heroq_record, heroq_queue_list,
          (heroq_client *client, const heroq_options *options, heroq_call *call, heroq_error *err),
          (client, options, &out, call, err))
HEROQ_OUT(heroq_queue, heroq_queue_open,
          (heroq_client *client, const char *script_type, const char *group, const char *instance, heroq_error *err),
          (client, script_type, group, instance, &out, err))
void heroq_queue_close(heroq_queue *self);
void heroq_queue_free(heroq_queue *self);
const char *heroq_queue_key(const heroq_queue *self);
HEROQ_OUT(heroq_record, heroq_queue_stats, (heroq_queue *self, heroq_call *call, heroq_error *err),
          (self, &out, call, err))
HEROQ_OUT(heroq_record, heroq_queue_counters,
          (heroq_queue *self, const heroq_options *options, heroq_call *call, heroq_error *err),
          (self, options, &out, call, err))
HEROQ_OUT(heroq_record, heroq_queue_page,
          (heroq_queue *self, const char *what, const char *cursor, const heroq_options *options, heroq_call *call,
           heroq_error *err),
          (self, what, cursor, options, &out, call, err))
void heroq_queue_pause(heroq_queue *self, heroq_call *call, heroq_error *err);
void heroq_queue_resume(heroq_queue *self, heroq_call *call, heroq_error *err);
HEROQ_I(int64_t, heroq_queue_purge_dead,
        (heroq_queue *self, const char *job_id, heroq_call *call, heroq_error *err),
        { int64_t removed = 0; heroq_queue_purge_dead(self, job_id, &removed, call, err); return removed; })
HEROQ_OUT(heroq_record, heroq_queue_tend, (heroq_queue *self, heroq_call *call, heroq_error *err),
          (self, &out, call, err))
HEROQ_OUT(heroq_record, heroq_doctor_findings, (heroq_error *err), (&out, err))
HEROQ_OUT(heroq_record, heroq_doctor_run,
          (heroq_client *client, const heroq_options *options, heroq_call *call, heroq_error *err),
          (client, options, &out, call, err))
