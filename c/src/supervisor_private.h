/* The supervisor's inside, shared by supervisor.c, supervisor_bulk.c, supervisor_jobs.c, supervisor_notes.c
 * and await.c. */
#ifndef HQ_SUPERVISOR_PRIVATE_H
#define HQ_SUPERVISOR_PRIVATE_H
#include <heroq/supervisor.h>
#include <heroq/waiter.h>
#include <pthread.h>

#include "client_private.h"

/* A blocking await that goes through the engine, so that close can end it. */
typedef struct hq_shared_await {
  struct hq_shared_await *prev, *next;
  heroq_waiter *waiter;
} hq_shared_await;

struct heroq_supervisor {
  hq_closing closing;
  heroq_client *client;
  heroq_options *options;
  hq_child child;
  pthread_mutex_t lock;
  hq_shared_await *awaits; /* under lock */
};
heroq_status hq_supervisor_enter(const heroq_supervisor *s, heroq_error *err);
/* Enters and checks an id that comes from the caller; *key = its job hash. */
heroq_status hq_supervisor_enter_id(const heroq_supervisor *s, const char *job_id, hq_buf *key, heroq_error *err);
/* Checks a type (NULL allowed) and the options' group and instance before anything is sent. */
heroq_status hq_supervisor_check_place(const char *script_type, const heroq_options *o, heroq_error *err);
#endif
