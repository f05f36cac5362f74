/* Looking at queues without changing them: how full they are. For listings and for the doctor. */
#ifndef HQ_INSPECT_H
#define HQ_INSPECT_H
#include "find.h"
#include "stats.h"

/* The server's clock, Unix ms. */
heroq_status hq_server_now(const hq_errand *e, hq_batch *b, int64_t *now, heroq_error *err);

typedef struct hq_numbers {
  int64_t now; /* the server's clock when it was asked; all times are Unix ms, 0 = none or unknown */
  int64_t waiting, handoff, in_flight, delayed, dead, actors;
  int64_t oldest;        /* when the job that has waited longest was made */
  int64_t waiting_since; /* the same job: since when it waits; none if it was run before */
  int64_t next_due;      /* of the delayed */
  int64_t oldest_lease;  /* when the first lease ends */
  int64_t last_reap;
  hq_recent recent;
  bool paused;
  bool wrong_type; /* the queue's key is no list */
} hq_numbers;
/* Fills out[0 .. n) for n queue keys; one round trip, and two for each 256. */
heroq_status hq_count_queues(const hq_errand *e, char *const *queue_key, uint32_t n, hq_numbers *out, heroq_error *err);
#endif
