/* The client's memory, shared by client.c, pool.c and route.c. */
#ifndef HQ_CLIENT_STATE_H
#define HQ_CLIENT_STATE_H
#include <pthread.h>

#include "client_private.h"
#include "events.h"
#include "names.h"

#define HQ_KNOWN_QUEUES 64

typedef struct hq_cursor {
  char text[24]; /* of SCAN; "" and "0": none is under way */
} hq_cursor;
/* The search for queues that only foreign programs use, which takes several calls where there are many keys (find.c). */
typedef struct hq_search {
  hq_cursor cursor;
  hq_names found, last; /* by this one so far, by the one before */
  int64_t through;      /* when that was through, monotonic ms */
  uint32_t calls;       /* that this one, or the one before, has taken */
  bool cut, whole;      /* this one found too many; the last one that was through saw all */
} hq_search;
void hq_search_free(hq_search *s);

struct heroq_client {
  hq_closing closing;
  /* set at open, then only read */
  heroq_options *options;
  hq_endpoint endpoint;
  char name[64];
  hq_events *events;
  int64_t connect_timeout, op_timeout;
  hq_starts starts;
  int32_t idle_cap;
  /* under lock */
  pthread_mutex_t lock;
  hq_conn **idle; /* the one used last is at the end */
  int32_t idle_count;
  hq_child *children;
  char *known[HQ_KNOWN_QUEUES]; /* queues this process has registered, oldest overwritten */
  uint32_t known_next;
  hq_search search;
  atomic_bool policy_asked;
  hq_engine_slot engine;
};
/* Once a client: warns where the server may evict jobs. HEROQ_OK: the connection is idle, as before. */
heroq_status hq_client_look_at_policy(heroq_client *c, hq_conn *conn, heroq_call *call, heroq_error *err);
#endif
