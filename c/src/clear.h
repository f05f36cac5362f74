/* Ending the jobs of a queue, a piece at a time, each step of which may be the last: c/PROTOCOL.md, 2.11. */
#ifndef HQ_CLEAR_H
#define HQ_CLEAR_H
#include "delivery.h"
#include "find.h"

#define HQ_CLEAR_PIECE 100 /* jobs */

typedef struct hq_clearing {
  hq_errand errand;
  hq_qkeys queue; /* with a `meta` of its own: so TAKE takes from a paused queue too */
  char actor[64];
  int64_t recheck;
  int64_t looked, cancelled;
} hq_clearing;
/* At most `most` of those that wait; *taken: how many it took. */
heroq_status hq_clear_waiting(hq_clearing *c, int64_t most, uint32_t *taken, heroq_error *err);
/* Delayed ones from that rank on. They go to those that wait, ended; *stay of the *seen do not: copies of what runs. */
heroq_status hq_clear_delayed(hq_clearing *c, int64_t from, uint32_t *seen, uint32_t *stay, heroq_error *err);
#endif
