/* Looking at queues without changing them: which there are, and how full. For listings and for the doctor. */
#ifndef HQ_INSPECT_H
#define HQ_INSPECT_H
#include "client_private.h"
#include "stats.h"

typedef struct hq_names {
  char **name;
  uint32_t n, cap;
} hq_names;
bool hq_names_add(hq_names *names, hq_slice name); /* false: no memory */
void hq_names_free(hq_names *names);

/* How one errand talks to the server. */
typedef struct hq_errand {
  heroq_client *client;
  heroq_call *call;
  int64_t deadline; /* monotonic */
} hq_errand;
hq_errand hq_errand_of(heroq_client *c, heroq_call *call);
heroq_status hq_errand_run(const hq_errand *e, hq_batch *b, heroq_error *err);
/* The same, and the first reply that is a server's error fails it; `what` is named. */
heroq_status hq_errand_all(const hq_errand *e, hq_batch *b, const char *what, heroq_error *err);

/* The server's clock, Unix ms. */
heroq_status hq_server_now(const hq_errand *e, hq_batch *b, int64_t *now, heroq_error *err);

/* Keys that SCAN finds, sorted, each once, at most `most` of them and in at most `rounds` looks of 1000 keys; *whole: nothing was left
 * out. type: "list", "hash". */
heroq_status hq_find_keys(const hq_errand *e, const char *pattern, const char *type, uint32_t rounds, uint32_t most,
                          hq_names *out, bool *whole, heroq_error *err);
/* Keys of queues, sorted: those that heroq's programs wrote down, and what a bounded SCAN finds besides. */
heroq_status hq_find_queues(const hq_errand *e, hq_names *out, bool *whole, heroq_error *err);

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
