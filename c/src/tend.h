/* What idle actors do for a queue, as one call: due jobs become ready, the jobs of silent actors go back, those that
 * lost too many holders are ended (PROTOCOL.md: PROMOTE, REAP, KILL, reply, BURY). For supervisors, waiters and people;
 * an actor's engine does it inside its own pipelines. */
#ifndef HQ_TEND_H
#define HQ_TEND_H
#include "client_private.h"

typedef struct hq_tended {
  int64_t promoted; /* delayed jobs that were due */
  int64_t returned; /* given back: lost by a holder, or left in the handoff */
  int64_t lost;     /* ended, because too many holders were lost with them */
  int64_t next_due; /* ms until the next delayed job is due, -1 if there is none */
} hq_tended;
/* Harmless at any time, by any number of callers at once: REAP itself answers nothing if someone has just reaped.
 * Lease, backoff, … are the client's options. `deadline` is monotonic; `out` may be NULL. */
heroq_status hq_tend_queue(heroq_client *c, const char *queue_key, int64_t deadline, heroq_call *call, hq_tended *out,
                           heroq_error *err);
#endif
