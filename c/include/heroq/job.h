/** @file job.h
 *  @brief A job: a script and its fate. */
#ifndef HEROQ_JOB_H
#define HEROQ_JOB_H

#include "call.h"
#include "options.h"

HEROQ_BEGIN_DECLS

/** The canonical statuses, as written; reading ignores case. */
#define HEROQ_STATUS_WAITING "waiting_for_prerequisites"
#define HEROQ_STATUS_DISPATCHED "dispatched"
#define HEROQ_STATUS_STARTED "started"
#define HEROQ_STATUS_STOPPING "stopping"
#define HEROQ_STATUS_FINISHED "finished"
#define HEROQ_STATUS_ERROR "error"

/** A job being built belongs to one thread; submitting it, or taking it, freezes it: setters then answer
 *  HEROQ_E_STATE, and any thread may read it. What getters return lives until the job's free. */

/** A new job with a fresh id (UUIDv7: repeating a submit with the same handle is safe). `script` is bytes. */
HEROQ_API heroq_status heroq_job_new(const char *script_type, const void *script, size_t script_size, heroq_job **out,
                                     heroq_error *err);
/** A job that can be changed, with the same content and the same id. */
HEROQ_API heroq_status heroq_job_copy(const heroq_job *self, heroq_job **out, heroq_error *err);
/** From the JSON of heroq_job_to_json, or any object with the canonical fields. Unknown members are kept. */
HEROQ_API heroq_status heroq_job_from_json(const void *json, size_t size, heroq_job **out, heroq_error *err);
/** Canonical names first, then the others. Bytes that are not UTF-8 are written as {"base64": "…"}. */
HEROQ_API heroq_status heroq_job_to_json(const heroq_job *self, heroq_bytes **out, heroq_error *err);
/** All fields by name. */
HEROQ_API heroq_status heroq_job_to_record(const heroq_job *self, heroq_record **out, heroq_error *err);
/** Frees the handle. A taken job that was not settled goes back to its queue after a backoff, and that counts as a
 *  recovery, so that a job which every holder drops ends in the dead letters. */
HEROQ_API void heroq_job_free(heroq_job *self);

HEROQ_API const char *heroq_job_id(const heroq_job *self);
HEROQ_API heroq_status heroq_job_set_id(heroq_job *self, const char *id, heroq_error *err);
HEROQ_API const char *heroq_job_script_type(const heroq_job *self);
HEROQ_API const void *heroq_job_script(const heroq_job *self, size_t *size);
/** Lower case; "" if the hash has none. */
HEROQ_API const char *heroq_job_status(const heroq_job *self);
/** 1 if finished or error. */
HEROQ_API int32_t heroq_job_is_terminal(const heroq_job *self);
/** NULL if there is none. */
HEROQ_API const void *heroq_job_output(const heroq_job *self, size_t *size);
HEROQ_API const void *heroq_job_error(const heroq_job *self, size_t *size);
/** Seconds that a run may take, 0 = no limit. */
HEROQ_API int64_t heroq_job_timeout(const heroq_job *self);
/** How often a failure of the handler is tried again. -1 = not said: the actor's option decides. */
HEROQ_API int64_t heroq_job_retries(const heroq_job *self);

/** Any field by its name on the wire (callerId, contextId, log_path, concurrent, foreign ones). NULL and size 0 if it is
 *  not there; an empty field has size 0 and is not NULL. */
HEROQ_API const void *heroq_job_field(const heroq_job *self, const char *name, size_t *size);
/** Sets a field; fields that begin with hq_ are heroq's own and refused. JSON-valued fields are checked. */
HEROQ_API heroq_status heroq_job_set_field(heroq_job *self, const char *name, const void *data, size_t size,
                                           heroq_error *err);
/** An option of the job: timeout, retries, delay, at, expires, urgent, ttl, group, instance, tags, … (see heroq_options_describe). */
HEROQ_API heroq_status heroq_job_set_option(heroq_job *self, const char *name, const char *value, heroq_error *err);
/** An environment variable of the script (field env_vars). */
HEROQ_API heroq_status heroq_job_set_env(heroq_job *self, const char *name, const char *value, heroq_error *err);
/** Metadata that travels beside the payload, such as a trace context. */
HEROQ_API heroq_status heroq_job_set_header(heroq_job *self, const char *name, const char *value, heroq_error *err);
/** NULL if not there. */
HEROQ_API const char *heroq_job_header(const heroq_job *self, const char *name);
HEROQ_API heroq_status heroq_job_add_prerequisite(heroq_job *self, const char *job_id, heroq_error *err);
HEROQ_API heroq_status heroq_job_add_dependent(heroq_job *self, const char *job_id, heroq_error *err);

/** The guide's Job::store_in_redis: HSET of the job's hash, nothing else. HEROQ_E_EXISTS if the id was given by the
 *  caller and a job with another content has it. */
HEROQ_API heroq_status heroq_job_store_in_redis(heroq_job *self, heroq_client *client, heroq_call *call,
                                                heroq_error *err);
/** The guide's Job::set_result: output and status=finished in one HSET, refused (HEROQ_E_SETTLED) when the hash is
 *  terminal. For simple actors; a taken job is settled with heroq_job_finish. */
HEROQ_API heroq_status heroq_job_set_result(heroq_job *self, heroq_client *client, const void *output, size_t size,
                                            heroq_call *call, heroq_error *err);

/** Several jobs in one call. `add` keeps a reference of the job, whose handle stays the caller's. One thread. */
HEROQ_API heroq_status heroq_jobs_new(heroq_jobs **out, heroq_error *err);
HEROQ_API heroq_status heroq_jobs_add(heroq_jobs *self, heroq_job *job, heroq_error *err);
HEROQ_API int32_t heroq_jobs_count(const heroq_jobs *self);
/** A reference of its own to job i, to be freed. */
HEROQ_API heroq_status heroq_jobs_job(const heroq_jobs *self, int32_t i, heroq_job **out, heroq_error *err);
/** What became of job i: HEROQ_OK done; HEROQ_E_STATE not sent; HEROQ_E_CONNECTION unknown, it may have been carried
 *  out; any other code: refused, for that reason. */
HEROQ_API heroq_status heroq_jobs_status(const heroq_jobs *self, int32_t i);
HEROQ_API void heroq_jobs_free(heroq_jobs *self);

HEROQ_END_DECLS
#endif
