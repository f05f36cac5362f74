/** @file queue.h
 *  @brief A queue as people see it: what waits, runs, is delayed or dead. */
#ifndef HEROQ_QUEUE_H
#define HEROQ_QUEUE_H

#include "client.h"

HEROQ_BEGIN_DECLS

/** All queues: rows of queue, script_type, group, instance, waiting, handoff, in_flight, delayed, dead, paused, actors;
 *  oldest (when the job that waits longest was made), waiting_since (since when it waits, 0 if it was run before), next_due,
 *  oldest_lease, last_reap, now (Unix ms); of the last five minutes finished_per_minute, failed_per_minute, wait_p95, run_p95
 *  (ms); minutes: finished, failed, retried, lost, lists of the last 15, the oldest first; wrong_type (1: its key is no list).
 *  Known ones come from heroq's own list, foreign ones from a SCAN, bounded in time, that goes on with the next call by the same
 *  client: `complete` is 1 when it has looked at all keys once.
 *  `total`: how many there are. `options`: count. */
HEROQ_API heroq_status heroq_queue_list(heroq_client *client, const heroq_options *options, heroq_record **out,
                                        heroq_call *call, heroq_error *err);
/** The queue of a type, or of a group, or of an instance (NULL or "" = not given). */
HEROQ_API heroq_status heroq_queue_open(heroq_client *client, const char *script_type, const char *group,
                                        const char *instance, heroq_queue **out, heroq_error *err);
HEROQ_API void heroq_queue_close(heroq_queue *self);
HEROQ_API void heroq_queue_free(heroq_queue *self);
/** Its key. */
HEROQ_API const char *heroq_queue_key(const heroq_queue *self);
/** As the queue's row in heroq_queue_list. HEROQ_E_WRONG_TYPE: its key is no list. */
HEROQ_API heroq_status heroq_queue_stats(heroq_queue *self, heroq_record **out, heroq_call *call, heroq_error *err);
/** What reliable and canonical actors of heroq saw end, by the minute of the server's clock: finished, failed, retried, lost
 *  (leases that ran out), in all and as rows with `time`, minutes without any left out; wait (of first attempts, since the
 *  job was made or due) and run: count, p50, p95, p99 in ms, rows of from, to, count; now, since, times_since (wait and run
 *  are kept an hour). A second late. `options`: newer, 1 h if not given, at most 24 h. */
HEROQ_API heroq_status heroq_queue_counters(heroq_queue *self, const heroq_options *options, heroq_record **out,
                                            heroq_call *call, heroq_error *err);
/** A page of ids. `what`: waiting (next first), in_flight, delayed, dead, finished, failed (the newest 10,000; above a
 *  thousand a second from one actor finished is a sample), actors. Rows: id, and time, holder, reason,
 *  info (of an actor: JSON, c/PROTOCOL.md 2.13) where they exist.
 *  `cursor` NULL begins; `options`: count; of dead, finished and failed also older, newer. */
HEROQ_API heroq_status heroq_queue_page(heroq_queue *self, const char *what, const char *cursor,
                                        const heroq_options *options, heroq_record **out, heroq_call *call,
                                        heroq_error *err);
/** No reliable actor takes from a paused queue; what runs goes on. */
HEROQ_API heroq_status heroq_queue_pause(heroq_queue *self, heroq_call *call, heroq_error *err);
HEROQ_API heroq_status heroq_queue_resume(heroq_queue *self, heroq_call *call, heroq_error *err);
/** Takes an entry out of the dead letters; its hash stays as it is. NULL: all of them. *removed may be NULL. To run one
 *  again: heroq_supervisor_requeue_job. */
HEROQ_API heroq_status heroq_queue_purge_dead(heroq_queue *self, const char *job_id, int64_t *removed, heroq_call *call,
                                              heroq_error *err);
/** Does what idle actors do: makes due jobs ready and returns those of dead actors. Answers promoted, returned, lost. */
HEROQ_API heroq_status heroq_queue_tend(heroq_queue *self, heroq_record **out, heroq_call *call, heroq_error *err);

HEROQ_END_DECLS
#endif
