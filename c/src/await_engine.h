/* One thread a client that awaits jobs for all its waiters: a connection for commands, one blocked on a shared reply list.
 * waiter.c is what callers see of it; await_engine.c is the thread, await_turn.c what a pipeline asks and answers. */
#ifndef HQ_AWAIT_ENGINE_H
#define HQ_AWAIT_ENGINE_H
#include <heroq/waiter.h>

#include "client_private.h"
#include "delivery.h"
#include "job_private.h"
#include "map.h"

typedef struct hq_await_engine hq_await_engine;
typedef struct hq_target hq_target;

/* How far a tag has come; the engine's thread alone looks at it. */
enum hq_await_stage {
  HQ_A_CREATE, /* the hash is to be written */
  HQ_A_PUSH,   /* the hash stands, the id is to be pushed */
  HQ_A_OPEN,   /* a job of somebody else: the reply list is to be named in its hash */
  HQ_A_WAIT,   /* the job is known to the server */
  HQ_A_FETCH,  /* the hash is to be read, and that is all */
  HQ_A_CANCEL, /* the job is to be asked to stop */
  HQ_A_TELL    /* it was; who runs or awaits it is to be told */
};

/* One tag. Referenced by its waiter's table until the completion is taken, and by the engine. */
typedef struct hq_await {
  atomic_int refs;
  heroq_waiter *waiter; /* referenced */
  int64_t tag;
  char *id;
  /* under the waiter's lock */
  hq_map_node by_tag;
  struct hq_await *next_done;
  bool done, failed;
  heroq_status status;
  uint32_t flags;
  hq_buf payload;       /* output, or error of a failed job */
  char *text;           /* what went wrong, NULL: nothing */
  heroq_record *fields; /* of a FETCH */
  const char *outcome;  /* of a CANCEL */
  /* under the engine's inbox lock */
  struct hq_await *next_new, *next_ended;
  /* the engine's thread */
  heroq_job *job; /* referenced until it is submitted; NULL: add */
  int64_t deadline;
  enum hq_await_stage stage;
  bool in_flight, orphan; /* orphan: nobody waits any more, but the job is still to be submitted */
  hq_timer timer;
  hq_target *target;
  struct hq_await *prev, *next; /* of its target */
  struct hq_await *next_todo;
  hq_cancel cancel; /* HQ_A_TELL: what CANCEL answered, in kept */
  const char *told; /* and what it comes to */
  hq_buf kept;
} hq_await;
void hq_await_ref(hq_await *a);
void hq_await_unref(hq_await *a);

/* ---- waiter.c, for the engine ---- */
/* The last completion of a tag, unless it had one. `text` NULL: none. */
void hq_waiter_complete(hq_await *a, heroq_status status, bool failed, hq_slice payload, uint32_t flags,
                        const char *text);
/* The same for a FETCH (takes the record) and a CANCEL (static text). */
void hq_waiter_answer(hq_await *a, heroq_record *fields, const char *outcome);
bool hq_waiter_is_done(hq_await *a);
bool hq_waiter_is_closed(const heroq_waiter *w);

/* ---- await_engine.c, for waiter.c ---- */
/* The client's engine with a reference for the caller, started at the first call. */
heroq_status hq_await_engine_of(heroq_client *c, hq_await_engine **out, heroq_error *err);
void hq_await_engine_unref(hq_await_engine *e);
/* Chains by next_new and next_ended, with a reference of each that becomes the engine's. Return at once. An end may come
 * before its add. */
void hq_await_engine_add(hq_await_engine *e, hq_await *first);
void hq_await_engine_end(hq_await_engine *e, hq_await *first);
#endif
