/* Looking for keys on the server. */
#ifndef HQ_FIND_H
#define HQ_FIND_H
#include "client_private.h"
#include "names.h"

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

/* Keys that SCAN finds, sorted, each once, at most `most` of them and in at most `rounds` looks of 1000 keys; *whole: nothing was left
 * out. type: "list", "hash". */
heroq_status hq_find_keys(const hq_errand *e, const char *pattern, const char *type, uint32_t rounds, uint32_t most,
                          hq_names *out, bool *whole, heroq_error *err);
/* Keys of queues, sorted: those that heroq's programs wrote down, and what a SCAN finds besides. That is bounded in time and
 * goes on where the last one of this client ended, so that several calls together see all keys. *whole: they did, once at
 * least. */
heroq_status hq_find_queues(const hq_errand *e, hq_names *out, bool *whole, heroq_error *err);
#endif
