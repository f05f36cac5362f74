/** @file supervisor.h
 *  @brief Creates, starts, awaits and stops jobs. */
#ifndef HEROQ_SUPERVISOR_H
#define HEROQ_SUPERVISOR_H

#include "client.h"
#include "job.h"

HEROQ_BEGIN_DECLS

/** Keeps the client alive. Any number of threads. Calls are one round trip on a pooled connection; those
 *  that first look at the hash (start, stop, delete, requeue) two or three. */
HEROQ_API heroq_status heroq_supervisor_open(heroq_client *client, const heroq_options *options, heroq_supervisor **out,
                                             heroq_error *err);
HEROQ_API void heroq_supervisor_close(heroq_supervisor *self);
HEROQ_API void heroq_supervisor_free(heroq_supervisor *self);

/** Stores the job's hash (HSET), and does not start it. The guide's create_job. */
HEROQ_API heroq_status heroq_supervisor_create_job(heroq_supervisor *self, heroq_job *job, heroq_call *call,
                                                   heroq_error *err);
/** Starts a stored job: LPUSH of its id onto its queue. The guide's start_job and start_job_using_connection.
 *  `script_type` and group NULL: the queue that the hash names. `options`: group, instance, delay, at, urgent (NULL
 *  allowed). */
HEROQ_API heroq_status heroq_supervisor_start_job(heroq_supervisor *self, const char *job_id, const char *script_type,
                                                  const heroq_options *options, heroq_call *call, heroq_error *err);
/** create_job and start_job in one round trip. */
HEROQ_API heroq_status heroq_supervisor_submit(heroq_supervisor *self, heroq_job *job, heroq_call *call,
                                               heroq_error *err);
/** Pipelined. HEROQ_E_PARTIAL if one failed: heroq_jobs_status tells each; the same list again sends what is not done. */
HEROQ_API heroq_status heroq_supervisor_submit_many(heroq_supervisor *self, heroq_jobs *jobs, heroq_call *call,
                                                    heroq_error *err);
/** Submits the job and waits for its result, the output. HEROQ_E_FAILED: the job ended with an error, whose text is the
 *  error's text and, whole, *out (which may be NULL). The guide's run_job_and_await_result.
 *  HEROQ_E_TIMEOUT or HEROQ_E_CANCELLED without HEROQ_MAYBE_DONE: the job was submitted and goes on; await it again, as
 *  often as wanted, nothing is lost. With HEROQ_MAYBE_DONE the submit itself is in doubt: the same call with the same
 *  handle is safe. A timeout of 0 submits and looks once. */
HEROQ_API heroq_status heroq_supervisor_run_job_and_await_result(heroq_supervisor *self, heroq_job *job,
                                                                 int64_t timeout_ms, heroq_bytes **out,
                                                                 heroq_call *call, heroq_error *err);
/** The same for a job that was started before. HEROQ_E_EXPIRED if its hash is not there (any more). */
HEROQ_API heroq_status heroq_supervisor_await_result(heroq_supervisor *self, const char *job_id, int64_t timeout_ms,
                                                     heroq_bytes **out, heroq_call *call, heroq_error *err);

/** The job as its hash has it now. HEROQ_E_NOT_FOUND. */
HEROQ_API heroq_status heroq_supervisor_get_job(heroq_supervisor *self, const char *job_id, heroq_job **out,
                                                heroq_call *call, heroq_error *err);
/** The status in lower case. */
HEROQ_API heroq_status heroq_supervisor_get_status(heroq_supervisor *self, const char *job_id, heroq_bytes **out,
                                                   heroq_call *call, heroq_error *err);
/** *out is NULL while there is none. */
HEROQ_API heroq_status heroq_supervisor_get_output(heroq_supervisor *self, const char *job_id, heroq_bytes **out,
                                                   heroq_call *call, heroq_error *err);
HEROQ_API heroq_status heroq_supervisor_get_error(heroq_supervisor *self, const char *job_id, heroq_bytes **out,
                                                  heroq_call *call, heroq_error *err);
/** How far a run says it is: percent (double), text, attempt, time (Unix ms). *out is NULL while it has said nothing. */
HEROQ_API heroq_status heroq_supervisor_get_progress(heroq_supervisor *self, const char *job_id, heroq_record **out,
                                                     heroq_call *call, heroq_error *err);
/** Lines of the job's log, from line number `from` on (0: the oldest that is kept; negative: so many of the last): rows
 *  (bytes), first (the number of the first row), next (the number to go on with). `options`: count. */
HEROQ_API heroq_status heroq_supervisor_get_logs(heroq_supervisor *self, const char *job_id, int64_t from,
                                                 const heroq_options *options, heroq_record **out, heroq_call *call,
                                                 heroq_error *err);
/** Chunks of the job's stream behind `cursor` (NULL or "": from the oldest that is kept), waiting for one as long as the
 *  job runs and `timeout_ms` is not over: rows of chunk (bytes) and attempt, cursor, ended (1: the job has ended, and these
 *  were its last). A job that is tried again begins anew, under its next attempt. `options`: count. */
HEROQ_API heroq_status heroq_supervisor_read_stream(heroq_supervisor *self, const char *job_id, const char *cursor,
                                                    int64_t timeout_ms, const heroq_options *options,
                                                    heroq_record **out, heroq_call *call, heroq_error *err);
/** A page of jobs: rows of id, status, script_type, created, size, caller, tags (a list); `cursor` NULL or "" begins, "0" in
 *  the answer ends. A page takes about 100 ms at most, so that one may be short, or empty, before the end. A job may come
 *  twice, as SCAN does. `options`: count, status, type, caller, tag, text (in the id), id_prefix, older, newer (since it was
 *  made), source: index (only what clients with index=yes have noted, the newest first, with an id_prefix by name), scan
 *  (all keys, in no order), auto (first the index, if there is one, then the keys for what it lacks: nothing is missing at
 *  its end). The answer's `source`, index or scan, tells where its rows are from; `whole` is 1 at the end of scan and auto: no
 *  job that fits and was there from beginning to end is missing. */
HEROQ_API heroq_status heroq_supervisor_list_jobs(heroq_supervisor *self, const char *cursor,
                                                  const heroq_options *options, heroq_record **out, heroq_call *call,
                                                  heroq_error *err);
/** The redis-cli lines by which a person follows this job, and what the server answers now: rows of command and answer, both as
 *  on redis-cli's terminal; found: 0 if there is no such hash. Changes nothing; of a list at most 100 entries. */
HEROQ_API heroq_status heroq_supervisor_redis_lines(heroq_supervisor *self, const char *job_id, heroq_record **out,
                                                    heroq_call *call, heroq_error *err);
/** Asks a job to stop. `outcome`, text: "cancelled" (it had not started), "stopping" (its actor is told), "asked" (a
 *  foreign actor has it: the ctl list tells it), "ended" (it was terminal). HEROQ_E_NOT_FOUND. `out` may be NULL. */
HEROQ_API heroq_status heroq_supervisor_stop_job(heroq_supervisor *self, const char *job_id, heroq_record **out,
                                                 heroq_call *call, heroq_error *err);
/** Removes a job that does not run; HEROQ_E_BUSY asks a running one to stop instead. */
HEROQ_API heroq_status heroq_supervisor_delete_job(heroq_supervisor *self, const char *job_id, heroq_call *call,
                                                   heroq_error *err);
/** Runs a terminal job again, in the queue it had, else in the one of `options` (type, group, instance). HEROQ_E_BUSY
 *  if it runs. One that is queued is queued once more, and still runs once. */
HEROQ_API heroq_status heroq_supervisor_requeue_job(heroq_supervisor *self, const char *job_id,
                                                    const heroq_options *options, heroq_call *call, heroq_error *err);
/** Runs a job now that is delayed, or waits for its next try: it goes to the end of its queue. HEROQ_E_BUSY if it runs,
 *  HEROQ_E_STATE if it is not delayed, or has ended. */
HEROQ_API heroq_status heroq_supervisor_retry_job(heroq_supervisor *self, const char *job_id, heroq_call *call,
                                                  heroq_error *err);
/** Ends every job that waits in a queue or is delayed there with the error `cancelled`, paused or not; what runs goes on.
 *  `queue`: its key, exactly. HEROQ_E_NOT_FOUND: nobody knows it. One call deals with about `count` jobs (an option):
 *  `cursor` NULL or "" begins, "0" in the answer ends; what comes in meanwhile may stay. Answers cancelled, cursor. It may be
 *  cut off at any time: what it had in hand comes back after 5 s, where actors or heroq_queue_tend look after the queue, and
 *  may run then. */
HEROQ_API heroq_status heroq_supervisor_clear(heroq_supervisor *self, const char *queue, const char *cursor,
                                              const heroq_options *options, heroq_record **out, heroq_call *call,
                                              heroq_error *err);

HEROQ_END_DECLS
#endif
