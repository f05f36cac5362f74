/* Job ⇄ hash fields. */
#ifndef HQ_WIRE_H
#define HQ_WIRE_H
#include "conn.h"
#include "job_private.h"

/* How many arguments hq_wire_put_fields appends. */
uint32_t hq_wire_field_args(const heroq_job *job, hq_slice reply_to);
/* Appends name and value of every field a new hash gets: those set, status=dispatched (waiting_for_prerequisites if it has
 * any), createdAt and updatedAt = now (Unix ms), hq_ttl, hq_expires if it expires, hq_reply_to if reply_to is given. */
void hq_wire_put_fields(hq_batch *b, const heroq_job *job, hq_slice reply_to, int64_t now);
/* HSET hero:job:<id> …, or the guarded script CREATE when the id was given by the caller. */
void hq_wire_put_create(hq_batch *b, const heroq_job *job, hq_slice reply_to);
/* From HGETALL (pairs). `id` is the id in the key. E_NOT_FOUND if empty. Keeps unknown fields. Frozen. */
heroq_status hq_wire_job_from_hash(hq_slice id, const hq_reply *pairs, heroq_job **out, heroq_error *err);
/* From a claim's fields (delivery.h HQ_CLAIM_FIELDS), one allocation, frozen. NULL: no memory. */
heroq_job *hq_wire_job_from_claim(hq_slice id, const char *script_type, const hq_reply *fields, int64_t attempt);
#endif
