/** @file actor.h
 *  @brief Takes jobs, runs them, gives results. */
#ifndef HEROQ_ACTOR_H
#define HEROQ_ACTOR_H

#include "client.h"
#include "job.h"

HEROQ_BEGIN_DECLS

/** Why a handler should stop; see heroq_job_stop_reason. */
enum heroq_stop_reason {
  HEROQ_STOP_NONE = 0,
  HEROQ_STOP_REQUESTED = 1, /**< somebody asked the job to stop */
  HEROQ_STOP_TIMEOUT = 2,   /**< the job's time is over */
  HEROQ_STOP_LOST = 3,      /**< the lease is gone, the result will be refused */
  HEROQ_STOP_DRAIN = 4      /**< the actor is going down */
};

/** Flags of the settling calls. Unknown bits are HEROQ_E_INVALID. */
enum heroq_settle_flag {
  HEROQ_SYNC = 1,    /**< wait until the server has acknowledged it */
  HEROQ_NO_RETRY = 2 /**< fail: this failure is final, whatever retries are left */
};

/** Opens an actor on the queues of its types ("osis", or "osis,sal"; NULL: derived from actor_id). With the option
 *  `group` it listens on the group's queue too, with `group` and `instance` on all three. `actor_id` is a label for
 *  people (1 to 256 printable characters). A native thread owns its connections: it takes ahead, renews leases while the
 *  handlers are busy, hears stop requests, writes results. Options: delivery, lease, prefetch, concurrency, retries,
 *  timeout, max_stuck, reply, … With `connect=lazy` it returns at once; else it waits, at most `connect_timeout`, for its
 *  first connection. */
HEROQ_API heroq_status heroq_actor_open(heroq_client *client, const char *actor_id, const char *types,
                                        const heroq_options *options, heroq_actor **out, heroq_call *call,
                                        heroq_error *err);
/** The next job, to be settled and freed. *out is NULL if none came in time. HEROQ_E_CLOSED when closed or draining;
 *  HEROQ_E_STUCK when `max_stuck` handlers hang past their time. Any number of threads. */
HEROQ_API heroq_status heroq_actor_take(heroq_actor *self, int64_t timeout_ms, heroq_job **out, heroq_call *call,
                                        heroq_error *err);
/** Up to `max` jobs, at least one unless none came in time (*out NULL). */
HEROQ_API heroq_status heroq_actor_take_many(heroq_actor *self, int32_t max, int64_t timeout_ms, heroq_jobs **out,
                                             heroq_call *call, heroq_error *err);
/** Readable while take(0) would answer something. The library's: poll it, never read or close it. -1 if descriptors ran
 *  out. */
HEROQ_API int32_t heroq_actor_fd(heroq_actor *self);
/** What a handler's host should know: event (stop, timeout, lost, stale, drained, stuck), token, job_id, time. *out is
 *  NULL if none came in time; HEROQ_E_CLOSED is the end. A ring of 1024; the oldest are dropped and counted. */
HEROQ_API heroq_status heroq_actor_next_event(heroq_actor *self, int64_t timeout_ms, heroq_record **out,
                                              heroq_call *call, heroq_error *err);
HEROQ_API int32_t heroq_actor_event_fd(heroq_actor *self);
/** Since the actor was opened: taken, finished, failed, retried, released, buried, lost, stale, connects. Now: out, stuck,
 *  ahead, held, unsettled, pending_bytes, waiting (threads in take), connected, draining, paused (queues); since_last_take (ms, -1 never);
 *  starved: for how many ms the server has been answering takes with errors though it is connected, 0 if it does not. */
HEROQ_API heroq_status heroq_actor_stats(heroq_actor *self, heroq_record **out, heroq_error *err);
/** Returns at once: no job comes out any more, handlers see HEROQ_STOP_DRAIN, jobs taken ahead go back, after grace_ms
 *  those that still run go back too (HEROQ_FOREVER waits for the handlers). The event `drained` tells that nothing is out
 *  and every result is acknowledged: close then returns at once. A second call can only shorten the grace. */
HEROQ_API heroq_status heroq_actor_drain(heroq_actor *self, int64_t grace_ms, heroq_error *err);
/** drain, then waits until every settled result is acknowledged, at most the grace plus `close_timeout`; *unacked (may
 *  be NULL) counts those that were not. Jobs that are still out are given back; settling them then answers
 *  HEROQ_E_LOST, their handles stay valid. Whatever it returns, the actor is closed. */
HEROQ_API heroq_status heroq_actor_close(heroq_actor *self, int64_t grace_ms, int32_t *unacked, heroq_call *call,
                                         heroq_error *err);
/** Memory only; call close first, or the leases have to run out. */
HEROQ_API void heroq_actor_free(heroq_actor *self);

/** A handler for C: settles the job itself, or returns HEROQ_OK to finish it with an empty output, or an error to fail
 *  it. The job is freed after it returns. */
typedef heroq_status (*heroq_handler)(heroq_job *job, void *user_data, heroq_error *err);
/** Takes and handles jobs on the calling thread until the actor is closed or drained (HEROQ_OK), or `call` is cancelled
 *  (HEROQ_E_CANCELLED). Run it on several threads for more. Not for bindings: they loop over take. */
HEROQ_API heroq_status heroq_actor_run(heroq_actor *self, heroq_handler handler, void *user_data, heroq_call *call,
                                       heroq_error *err);

/** A taken job is settled once, from any thread: the first settling call wins, later ones answer HEROQ_E_SETTLED, or
 *  HEROQ_E_LOST when the lease is gone. Accepted at once, written by the actor's thread in the same or the next round
 *  trip, kept while the server is away; HEROQ_SYNC waits for the acknowledgement (only then `call` matters). */
HEROQ_API heroq_status heroq_job_finish(heroq_job *self, const void *output, size_t size, uint32_t flags,
                                        heroq_call *call, heroq_error *err);
/** The handler failed: tried again if retries are left, else the job ends with this error. */
HEROQ_API heroq_status heroq_job_fail(heroq_job *self, const void *error, size_t size, uint32_t flags, heroq_call *call,
                                      heroq_error *err);
/** Tries again after delay_ms; counts as a retry, and ends the job with `error` when none is left. */
HEROQ_API heroq_status heroq_job_retry(heroq_job *self, int64_t delay_ms, const void *error, size_t size,
                                       uint32_t flags, heroq_call *call, heroq_error *err);
/** Gives the job back, to be run next, by anyone; costs no retry. */
HEROQ_API heroq_status heroq_job_release(heroq_job *self, uint32_t flags, heroq_call *call, heroq_error *err);
/** What a run tells while it goes on, for heroq_supervisor_get_progress, _get_logs and _read_stream. Any thread, until the
 *  job is settled (HEROQ_E_SETTLED) or its lease is gone (HEROQ_E_LOST). Accepted at once, sent in order by the actor's
 *  thread; the result is written after all of it. */

/** How far the run is: `percent` 0 to 100, `text` a few words (UTF-8, NULL allowed). The newest counts: one that comes
 *  before the last was sent takes its place. */
HEROQ_API heroq_status heroq_job_progress(heroq_job *self, double percent, const char *text, heroq_error *err);
/** A line of the job's log, bytes; a newline at its end is left out. The last 1,000 lines are kept. While 1 MiB of log and
 *  stream waits to be sent, it waits for room with `call`, and is HEROQ_E_FULL without one. */
HEROQ_API heroq_status heroq_job_log(heroq_job *self, const void *line, size_t size, heroq_call *call,
                                     heroq_error *err);
/** A chunk of the job's output as it comes, bytes; about the last 10,000 are kept. Full as heroq_job_log. */
HEROQ_API heroq_status heroq_job_stream(heroq_job *self, const void *chunk, size_t size, heroq_call *call,
                                        heroq_error *err);
/** A heroq_stop_reason; cheap, to be asked often. */
HEROQ_API int32_t heroq_job_stop_reason(const heroq_job *self);
/** The how-manyeth start of the job this is, 1 for the first; 0 if the job was not taken. For logs: the key for
 *  idempotence is the job's id. */
HEROQ_API int64_t heroq_job_attempt(const heroq_job *self);
/** Since when a taken job had waited: since it was made, or due, Unix ms by its creator's clock. 0: not known, as of a job
 *  that was run before, or of an id that is no UUIDv7. */
HEROQ_API int64_t heroq_job_waited_since(const heroq_job *self);
/** Unique in the actor (the same id can come twice); 0 if not taken. */
HEROQ_API int64_t heroq_job_token(const heroq_job *self);

HEROQ_END_DECLS
#endif
