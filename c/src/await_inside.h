/* The await engine's inside, shared by await_engine.c (thread, connections, timers) and await_turn.c (pipelines). */
#ifndef HQ_AWAIT_INSIDE_H
#define HQ_AWAIT_INSIDE_H
#include "await_engine.h"
#include "events.h"
#include "lonely.h"
#include "loop.h"
#include "watch.h"

#define HQ_TURN_MOST 256 /* submits, and looks, in one pipeline */

/* A queue that jobs are pushed to and that is tended while jobs of it are awaited. */
typedef struct hq_care {
  hq_map_node by_key;
  hq_qkeys queue;
  uint32_t targets;
  hq_timer tend;
} hq_care;

/* A job that is awaited, by one tag or more. */
struct hq_target {
  hq_map_node by_id;
  char *id, *job_key, *reply_key; /* one piece of memory */
  hq_watch watch;
  hq_timer look;
  hq_await *awaits;
  uint32_t count, waiting; /* tags; those of them at HQ_A_WAIT */
  hq_care *care;
  bool in_flight; /* a look or a settle is in the pipeline */
  bool dirty;     /* a reply came meanwhile */
  int settle;     /* hq_watch_verdict: what the next turn is to settle */
  hq_buf value;   /* with what */
  bool has_list;  /* somebody replied to the job's own list, which is to be deleted */
};

enum hq_await_op {
  HQ_AO_CREATE,
  HQ_AO_OPEN,
  HQ_AO_PUSH,
  HQ_AO_LOOK,
  HQ_AO_SETTLE,
  HQ_AO_FETCH,
  HQ_AO_CANCEL,
  HQ_AO_TELL,
  HQ_AO_INDEX,
  HQ_AO_PLAIN
};
typedef struct hq_await_item {
  enum hq_await_op op;
  hq_await *await;   /* all others but INDEX and PLAIN: referenced */
  hq_target *target; /* LOOK, SETTLE: in_flight */
  bool with_reply;   /* LOOK: a LINDEX of the job's reply list stands before it */
  uint32_t at;       /* its (last) command; TELL, INDEX: the first */
  uint32_t behind;   /* INDEX: its last one, and one more */
} hq_await_item;

struct hq_await_engine {
  atomic_int refs;
  hq_loop loop;
  /* under lock */
  pthread_mutex_t lock;
  hq_await *added, **added_last, *ended_waits;
  bool closing, gone, ended;
  /* the thread's */
  heroq_client *client; /* alive while a target is */
  hq_endpoint endpoint;
  hq_events *events;
  char name[64];
  int64_t connect_timeout, op_timeout;
  bool intents;
  char list[80]; /* the shared reply list */
  hq_map targets, cares;
  hq_heap timers, looks, tends;
  uint32_t awaits; /* tags that the engine knows */
  hq_await *todo, **todo_last;
  hq_buf dels; /* reply lists to delete, each with its NUL */
  hq_conn *conn, *block;
  hq_batch batch, block_batch;
  hq_await_item *item;
  uint32_t items, item_cap;
  int64_t connect_at, connect_step, block_at, block_step, hold_until;
  bool popped; /* the LPOP of the blocked pipeline is read */
  bool failed; /* the last attempt to connect */
  bool lost;   /* a connection was lost: everything is to be looked at when it is back */
  hq_lonely *lonely;
  int64_t end_by;
  bool del_sent;
};

/* ---- await_engine.c ---- */
void hq_engine_todo(hq_await_engine *e, hq_await *a); /* with a reference of its own */

/* ---- await_turn.c ---- */
void hq_turn_add(hq_await_engine *e, hq_await *a, int64_t now); /* a new tag, with the reference of the caller */
void hq_turn_end(hq_await_engine *e, hq_await *a);              /* nobody waits for it any more */
void hq_turn_timeout(hq_await_engine *e, hq_await *a);
void hq_turn_replied(hq_await_engine *e, hq_slice payload, int64_t now); /* on the shared list */
void hq_turn_look_at_all(hq_await_engine *e);
bool hq_turn_has_work(const hq_await_engine *e, int64_t now);
void hq_turn_put(hq_await_engine *e, int64_t now);
void hq_turn_answer(hq_await_engine *e, int64_t now);
/* The server cannot be reached: what was not submitted ends; with `all` every tag does. why NULL: without a completion,
 * for tags that have theirs. */
void hq_turn_fail(hq_await_engine *e, bool all, const heroq_error *why);
void hq_turn_tend(hq_await_engine *e, int64_t now);
#endif
