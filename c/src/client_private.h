/* The client's inside: the pool, events, and the synchronous way over a connection. */
#ifndef HQ_CLIENT_PRIVATE_H
#define HQ_CLIENT_PRIVATE_H
#include <heroq/client.h>

#include "conn.h"
#include "life.h"
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
void hq_client_disown(heroq_client *c, hq_child *child);                           /* idempotent; keeps the ref */
void hq_client_ref(heroq_client *c);
void hq_client_unref(heroq_client *c);
heroq_status hq_client_enter(const heroq_client *c, heroq_error *err); /* NULL, forked, closed */
const heroq_options *hq_client_options(const heroq_client *c);

/* The endpoint that has a key (route.c decides; one server today). */
const hq_endpoint *hq_client_endpoint(heroq_client *c, hq_slice key);

/* Runs a batch on a pooled connection and waits for all replies until `deadline` (monotonic ms; op_timeout is applied on
 * top of it). HEROQ_OK: every command has a reply (which may be a server's error: look at each). Else err is filled, with
 * MAYBE_DONE if something may have been carried out; commands that were answered keep their replies. */
heroq_status hq_client_exchange(heroq_client *c, hq_batch *b, int64_t deadline, heroq_call *call, heroq_error *err);
/* The same with a connection kept across several exchanges (an await): take one, use it, give it back. */
heroq_status hq_pool_take(heroq_client *c, hq_conn **out, int64_t deadline, heroq_call *call, heroq_error *err);
void hq_pool_give(heroq_client *c, hq_conn *conn); /* broken or busy ones are closed */
heroq_status hq_conn_exchange(hq_conn *conn, hq_batch *b, int64_t deadline, heroq_call *call, heroq_error *err);

/* An event in the background. level: 0 info, 1 warning, 2 error. Cheap when repeated: the same text is counted. */
enum hq_level { HQ_INFO = 0, HQ_WARNING = 1, HQ_FAULT = 2 };
void hq_client_event(heroq_client *c, int level, heroq_status status, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* The client's waiter engine, started at the first call (waiter.c). Stored here so that the client owns its life. */
void **hq_client_engine_slot(heroq_client *c, pthread_mutex_t **lock);
#endif
