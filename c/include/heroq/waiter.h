/** @file waiter.h
 *  @brief The side that never blocks: awaits by the thousand, for event loops. */
#ifndef HEROQ_WAITER_H
#define HEROQ_WAITER_H

#include "client.h"
#include "job.h"

HEROQ_BEGIN_DECLS

/** Works on the client's engine thread, started with the first waiter; all awaits of a client share three connections at
 *  most. Functions without a heroq_call only hand the request over and return at once. The tag (0 to 2^53 - 1) is the
 *  caller's and must not be open (HEROQ_E_EXISTS); every tag gets exactly one last completion, also after cancel and
 *  close. The same id may be added twice, under two tags. */
HEROQ_API heroq_status heroq_waiter_open(heroq_client *client, const heroq_options *options, heroq_waiter **out,
                                         heroq_error *err);
/** Submits the job; the completion comes when it has ended, or when the submit failed. */
HEROQ_API heroq_status heroq_waiter_submit(heroq_waiter *self, heroq_job *job, int64_t tag, int64_t timeout_ms,
                                           heroq_error *err);
/** Tags are first_tag, first_tag + 1, … in the order of the list. Freezes the jobs; heroq_jobs_status is not touched. */
HEROQ_API heroq_status heroq_waiter_submit_many(heroq_waiter *self, const heroq_jobs *jobs, int64_t first_tag,
                                                int64_t timeout_ms, heroq_error *err);
/** Awaits a job that was started elsewhere. HEROQ_E_EXPIRED completes it if the hash is not there (any more). */
HEROQ_API heroq_status heroq_waiter_add(heroq_waiter *self, const char *job_id, int64_t tag, int64_t timeout_ms,
                                        heroq_error *err);
/** Reads a job: the completion has `job`, a record as heroq_job_to_record makes it. HEROQ_E_NOT_FOUND if there is none. */
HEROQ_API heroq_status heroq_waiter_fetch(heroq_waiter *self, const char *job_id, int64_t tag, int64_t timeout_ms,
                                          heroq_error *err);
/** Asks a job to stop: the completion has `outcome`, as heroq_supervisor_stop_job answers it. */
HEROQ_API heroq_status heroq_waiter_stop(heroq_waiter *self, const char *job_id, int64_t tag, int64_t timeout_ms,
                                         heroq_error *err);
/** Ends the wait of a tag with HEROQ_E_CANCELLED; the job goes on. Unknown tags are no error: it may just have ended. What a
 *  submit or a stop had begun is carried out. */
HEROQ_API heroq_status heroq_waiter_cancel(heroq_waiter *self, int64_t tag, heroq_error *err);
/** The next completion: tag, status (a heroq_status: OK, E_FAILED, E_TIMEOUT, E_CANCELLED, E_EXPIRED, …), job_id, output
 *  or error (bytes), text; or what heroq_waiter_fetch and _stop say. *out is NULL if none came in time; HEROQ_E_CLOSED when closed and all were taken. */
HEROQ_API heroq_status heroq_waiter_take(heroq_waiter *self, int64_t timeout_ms, heroq_record **out, heroq_call *call,
                                         heroq_error *err);
/** Readable while take(0) would answer something. The library's: poll it, never read or close it. -1 if descriptors ran
 *  out. */
HEROQ_API int32_t heroq_waiter_fd(heroq_waiter *self);
/** How many tags have not had their last completion taken. */
HEROQ_API int32_t heroq_waiter_count(const heroq_waiter *self);
/** All open tags complete with HEROQ_E_CLOSED. */
HEROQ_API void heroq_waiter_close(heroq_waiter *self);
HEROQ_API void heroq_waiter_free(heroq_waiter *self);

HEROQ_END_DECLS
#endif
