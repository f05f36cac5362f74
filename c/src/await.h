/* What an await answers, the same by either way. */
#ifndef HQ_AWAIT_H
#define HQ_AWAIT_H
#include "client_private.h"
#include "supervisor_private.h"

/* HEROQ_OK with *out = the output; HEROQ_E_FAILED with *out = the error, which is err's text too. */
heroq_status hq_await_result(bool failed, hq_slice value, heroq_bytes **out, heroq_error *err);
heroq_status hq_await_expired(const char *job_id, heroq_error *err);
heroq_status hq_await_timeout(const char *job_id, heroq_error *err);
/* Through the client's engine, when another await goes the direct way. job NULL: the job was started before. */
heroq_status hq_await_shared(heroq_supervisor *s, const char *job_id, heroq_job *job, int64_t timeout_ms,
                             heroq_bytes **out, heroq_call *call, heroq_error *err);
#endif
