/** @file queue.h
 *  @brief A queue as people see it: what waits, runs, is delayed or dead. */
#ifndef HEROQ_QUEUE_H
#define HEROQ_QUEUE_H

#include "client.h"

HEROQ_BEGIN_DECLS

/** All queues: rows of queue, script_type, group, instance, waiting, in_flight, delayed, dead, paused, actors, oldest.
 *  Known ones come from heroq's own list, foreign ones from a bounded SCAN; `options`: count. */
HEROQ_API heroq_status heroq_queue_list(heroq_client *client, const heroq_options *options, heroq_record **out,
                                        heroq_call *call, heroq_error *err);
/** The queue of a type, or of a group, or of an instance (NULL or "" = not given). */
HEROQ_API heroq_status heroq_queue_open(heroq_client *client, const char *script_type, const char *group,
                                        const char *instance, heroq_queue **out, heroq_error *err);
HEROQ_API void heroq_queue_close(heroq_queue *self);
HEROQ_API void heroq_queue_free(heroq_queue *self);
/** Its key. */
HEROQ_API const char *heroq_queue_key(const heroq_queue *self);
/** waiting, handoff, in_flight, delayed, dead, paused, actors, next_due, oldest_lease, last_reap. */
HEROQ_API heroq_status heroq_queue_stats(heroq_queue *self, heroq_record **out, heroq_call *call, heroq_error *err);
/** A page of ids. `what`: waiting (next first), in_flight, delayed, dead, actors. Rows: id, and time, holder, reason
 *  where they exist. `cursor` NULL begins; `options`: count. */
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
