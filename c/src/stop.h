/* Asking a job to stop: what CANCEL answered, and the commands that follow from it. */
#ifndef HQ_STOP_H
#define HQ_STOP_H
#include "delivery.h"

/* The queue that a job's hash names, else the one of its type; HEROQ_E_STATE: neither is known; HEROQ_E_NOMEM. *q is to
 * be freed when it answers HEROQ_OK. The text of the error is the caller's. */
heroq_status hq_known_queue(hq_slice queue, hq_slice script_type, hq_qkeys *q);

/* *outcome: "cancelled", "stopping", "ended" or "asked". The slices of *c live as long as the answer. */
heroq_status hq_stop_read(const hq_reply *r, const char *job_key, hq_cancel *c, const char **outcome, heroq_error *err);
/* Appends what is left to do, if anything is. */
heroq_status hq_stop_put(hq_batch *b, hq_slice id, const hq_cancel *c, heroq_error *err);
/* Its slices from now on point into `text`, which is the caller's to free; false: no memory. */
bool hq_stop_keep(hq_cancel *c, hq_buf *text);
#endif
