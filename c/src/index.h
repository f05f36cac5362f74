/* The index of submitted jobs, an option of the client: c/PROTOCOL.md, 2.20. */
#ifndef HQ_INDEX_H
#define HQ_INDEX_H
#include "client_private.h"
#include "job_private.h"

#define HQ_CALLER_MOST 256 /* bytes of a caller that has a key of its own */
/* Behind the push, where the client wants it: notes jobs, with their tags and callers. */
void hq_index_put(heroq_client *c, hq_batch *b, heroq_job *const *job, uint32_t n);
/* Whether one of the commands from .. to - 1 was refused. */
bool hq_index_refused(const hq_batch *b, uint32_t from, uint32_t to, heroq_error *why);
/* The answers to commands from .. to - 1. A refusal is an event, it harms no job. */
void hq_index_answer(heroq_client *c, const hq_batch *b, uint32_t from, uint32_t to);
#endif
