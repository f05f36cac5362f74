/* The client's inside: the pool, events, and the synchronous way over a connection. */
#ifndef HQ_CLIENT_PRIVATE_H
#define HQ_CLIENT_PRIVATE_H
#include <heroq/client.h>

#include "closing.h"
#include "conn.h"
#include "options_private.h"
#include <pthread.h>

/* What can be closed with the client. The client calls `close` outside its lock; the child removes itself. */
typedef struct hq_child {
  struct hq_child *prev, *next;
  void (*close)(void *self);
  void (*ref)(void *self);
  void (*unref)(void *self);
  void *self;
} hq_child;
heroq_status hq_client_adopt(heroq_client *c, hq_child *child, heroq_error *err); /* refs the client */
void hq_client_disown(heroq_client *c, hq_child *child);                          /* idempotent; keeps the ref */
void hq_client_ref(heroq_client *c);
void hq_client_unref(heroq_client *c);
heroq_status hq_client_enter(const heroq_client *c, heroq_error *err); /* NULL, forked, closed */
const heroq_options *hq_client_options(const heroq_client *c);

/* The options of whoever stores and starts jobs, read once. */
typedef struct hq_starts {
  int64_t replicas, replica_timeout; /* replicas 0: durability=server */
  bool intents, index;
  int64_t index_size, index_keep;
} hq_starts;
const hq_starts *hq_client_starts(const heroq_client *c);

/* The value of a line "name:value" of INFO. */
hq_slice hq_info_value(hq_slice info, const char *name);

/* The endpoint that has a key (route.c decides; one server today). */
const hq_endpoint *hq_client_endpoint(heroq_client *c, hq_slice key);

/* Runs a batch on a pooled connection and waits for all replies until `deadline` (monotonic ms; op_timeout is applied on
 * top of it). HEROQ_OK: every command has a reply (which may be a server's error: look at each). Else err is filled, with
 * MAYBE_DONE if something may have been carried out; commands that were answered keep their replies. */
heroq_status hq_client_exchange(heroq_client *c, hq_batch *b, int64_t deadline, heroq_call *call, heroq_error *err);
/* The same with a connection kept across several exchanges (an await): take one, use it, give it back. */
heroq_status hq_pool_take(heroq_client *c, hq_conn **out, int64_t deadline, heroq_call *call, heroq_error *err);
void hq_pool_give(heroq_client *c, hq_conn *conn); /* broken or busy ones are closed */
/* Here the deadline is all: no op_timeout is added. `also` (NULL allowed): what was opened from the client and may be closed
 * meanwhile; the client's own close always ends a wait. */
heroq_status hq_conn_exchange(heroq_client *c, const hq_closing *also, hq_conn *conn, hq_batch *b, int64_t deadline,
                              heroq_call *call, heroq_error *err);
/* Its second half, after hq_conn_send: the caller may do something between. */
heroq_status hq_conn_collect(heroq_client *c, const hq_closing *also, hq_conn *conn, heroq_call *call,
                             heroq_error *err);
/* Waits until then; HEROQ_OK at the time, else what ended it. */
heroq_status hq_client_pause(heroq_client *c, const hq_closing *also, int64_t until, heroq_call *call,
                             heroq_error *err);
int64_t hq_client_op_deadline(const heroq_client *c, int64_t deadline); /* the earlier of it and now + op_timeout */

/* An event in the background. level: 0 info, 1 warning, 2 error. Cheap when repeated: the same text is counted. */
enum hq_level { HQ_INFO = 0, HQ_WARNING = 1, HQ_FAULT = 2 };
void hq_client_event(heroq_client *c, int level, heroq_status status, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Whether this process has to register the queue yet, and that it has. */
bool hq_client_queue_is_new(heroq_client *c, const char *queue_key);
void hq_client_queue_known(heroq_client *c, const char *queue_key);

/* The client's await engine, made at the first use (await_engine.c). The client calls `close` when it is closed, and
 * `gone` when its memory goes, by which its reference of the engine goes too. */
typedef struct hq_engine_slot {
  pthread_mutex_t lock;
  void *engine;
  void (*close)(void *engine);
  void (*gone)(void *engine);
  atomic_bool direct; /* a blocking await goes the direct way */
} hq_engine_slot;
hq_engine_slot *hq_client_engine_slot(heroq_client *c);
struct hq_events *hq_client_events(heroq_client *c);
const char *hq_client_name(const heroq_client *c); /* for CLIENT SETNAME */
#endif
