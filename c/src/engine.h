/* The actor's inside, shared by actor.c (what callers see), engine.c (the loop), engine_take.c (what comes in),
 * engine_settle.c (what goes out), engine_notes.c (what runs tell meanwhile), engine_intents.c (starts that nobody made),
 * engine_tally.c (what ended, for people), engine_seen.c (that the actor is there) and engine_tend.c (what keeps the queue healthy).
 *
 * Two sides meet here. Callers' threads touch only what stands under `lock` and the atomics; all else belongs to the
 * engine's thread, which takes the lock for moments and never while it waits. */
#ifndef HQ_ENGINE_H
#define HQ_ENGINE_H
#include <heroq/actor.h>
#include <pthread.h>

#include "client_private.h"
#include "clock.h"
#include "delivery.h"
#include "job_private.h"
#include "loop.h"
#include "map.h"
#include "wait.h"

/* What is to be done next with a job that the actor holds. */
enum hq_stage {
  HQ_ST_CLAIM,   /* reliable: CLAIM; canonical: START */
  HQ_ST_LOOK,    /* started through another queue: does its holder there still live? */
  HQ_ST_READY,   /* waits for a taker, or (given) a handler has it */
  HQ_ST_FINISH,  /* write the result */
  HQ_ST_FAIL,    /* write the failure */
  HQ_ST_UNCLAIM, /* give it back: release, surplus, drain, dropped */
  HQ_ST_KILL,    /* out of the reaper: end it as lost */
  HQ_ST_SURE,    /* durability=wait: replicas are to have the end first */
  HQ_ST_REPLY,   /* answer who waits */
  HQ_ST_DONE,    /* the commit */
  HQ_ST_RETRY,   /* back to the queue */
  HQ_ST_BURY     /* into the dead letters */
};

/* How a caller settled it. */
enum hq_settle { HQ_UNSETTLED, HQ_BY_FINISH, HQ_BY_FAIL, HQ_BY_RELEASE, HQ_BY_DROP, HQ_BY_ENGINE };

typedef struct hq_source hq_source;
typedef struct hq_notes hq_notes;
typedef struct hq_tally hq_tally;
typedef struct hq_held hq_held;
struct hq_held {
  hq_held *next;     /* in one list at a time: work, ready or settled */
  hq_map_node by_id; /* in its source's table */
  hq_source *source;
  heroq_actor *actor;  /* referenced while a handle exists */
  atomic_int refs;     /* the engine's and the handle's */
  hq_slice id, token;  /* into text */
  char *job_key;       /* into text */
  int stage, ended_by; /* ended_by: the stage whose command ended the run */
  bool tabled;         /* the engine holds it */
  int64_t number;      /* what callers know it by */
  heroq_job *job;      /* from the claim until a taker has it */
  /* under the actor's lock */
  int settle;
  bool given, lost, sync; /* given: a handler has, or had, it */
  int outcome;            /* for sync: 0 under way, 1 acknowledged, -1 refused as stale */
  hq_slice payload;       /* output or error, owned */
  uint32_t flags;
  int64_t given_us, settled_us; /* monotonic; 0: not yet */
  int64_t delay;                /* of a retry that names one, else -1 */
  atomic_int stop_reason;
  _Atomic int64_t renewed_at; /* when the lease was last known to be ours (sent, monotonic) */
  /* the engine's */
  int64_t ready_at, soft_at, hard_at; /* monotonic; HQ_NEVER */
  int64_t due;                        /* of a first attempt: since when it waited, Unix ms; 0 unknown */
  int64_t max_retries;
  hq_slice asks;                    /* owned; the reply list that the claim told of */
  hq_slice reply_to, reply_payload; /* owned; reply_payload NONE: the payload */
  hq_slice reason;                  /* owned; NONE: DONE instead of BURY */
  hq_slice over, look_queue;        /* owned */
  int look_then;                    /* the stage that answered ELSEWHERE */
  bool settle_waits;                /* it is settled, and its notes are not all written */
  int64_t retry_delay, retry_max, retry_seq;
  int retry_why;
  hq_notes *notes; /* NULL: it has told nothing yet */
  bool occupies;   /* under the lock: a handler's slot is used up by it */
  bool slot_lost;  /* under the lock: its handler hangs */
  char text[];
};

/* One queue that the actor listens on, with its blocked connection. */
struct hq_source {
  heroq_actor *actor;
  hq_qkeys keys;
  char *script_type, *ctl_key;
  hq_map held; /* by id */
  hq_conn *conn;
  hq_batch batch;
  int64_t connect_at, connect_step, take_step;
  bool blocked;       /* BLMOVE with its TAKE, or BLPOP, is under way */
  int64_t blocked_at; /* when that was sent */
  bool maybe_more;    /* the last take brought all it asked for, or nobody has asked yet */
  bool taking;        /* TAKE is in the pipeline */
  /* read by any thread: the server answers takes with errors since then, 0 it does not; the queue is paused */
  _Atomic int64_t refused_since;
  atomic_bool paused;
  hq_slice handoff_id;                           /* owned; what the blocked command brought */
  int64_t look_at;                               /* paused: when to ask again */
  int64_t reap_at, promote_at, seen_at, mine_at; /* mine_at HQ_NEVER: no TAKE is in doubt */
  bool mine_again;
  int64_t actors;   /* of this queue, as the last SEEN told */
  bool watches;     /* nobody else looks for what is due */
  bool took_lately; /* since the last PROMOTE */
  hq_tally *tally;  /* NULL: nothing has ended yet */
};

enum hq_op {
  HQ_OP_HELD,
  HQ_OP_RUNS,
  HQ_OP_TAKE,
  HQ_OP_LPOP,
  HQ_OP_DONE,
  HQ_OP_WAIT,
  HQ_OP_BEAT,
  HQ_OP_MINE,
  HQ_OP_REAP,
  HQ_OP_PROMOTE,
  HQ_OP_SEEN,
  HQ_OP_CTL_LOOK,
  HQ_OP_CTL_CANCEL,
  HQ_OP_CTL_REMOVE,
  HQ_OP_STOP_LOOK,
  HQ_OP_NOTE,
  HQ_OP_INTENTS,
  HQ_OP_INTENT_LOOK,
  HQ_OP_UNBLOCK,
  HQ_OP_TALLY,
  HQ_OP_ENDED,
  HQ_OP_PLAIN
};
/* An id whose start was noted and not made. */
typedef struct hq_intent {
  struct hq_intent *next;
  hq_source *source;
  enum { HQ_INTENT_LOOK, HQ_INTENT_PUSH, HQ_INTENT_OFF } step; /* look at the hash; queue it; forget it */
  hq_slice id;
  char text[];
} hq_intent;

/* What a command of the pipeline was for. */
typedef struct hq_item {
  int op;
  hq_source *source;
  hq_held *held;
  hq_intent *intent;
  uint32_t first, count; /* RUNS, DONE, WAIT, BEAT: a range of engine.listed */
  int32_t asked;         /* TAKE, LPOP: how many; TAKE: */
  int32_t empty;
  uint32_t mark; /* WAIT: the command before it */
  bool together; /* RUNS: keys of several slots */
} hq_item;

/* A question about one job, beside its stage. */
typedef struct hq_ask {
  int op;        /* HQ_OP_STOP_LOOK, HQ_OP_CTL_CANCEL, HQ_OP_CTL_REMOVE */
  hq_held *held; /* referenced */
} hq_ask;

typedef struct hq_list {
  hq_held *first, **last;
  uint32_t count;
} hq_list;
void hq_list_init(hq_list *l);
void hq_list_push(hq_list *l, hq_held *h);
hq_held *hq_list_pop(hq_list *l);
void hq_list_splice(hq_list *to, hq_list *from);

typedef struct hq_event {
  const char *what;
  int64_t time, token;
  char id[257];
} hq_event;
#define HQ_EVENTS 1024

/* Options, read once. */
typedef struct hq_actor_config {
  bool canonical, reply_always, dead, strict;
  int64_t lease, beat, block, backoff, recheck, timeout, timeout_grace, retries, max_recoveries, handoff_grace,
      reap_every;
  int64_t max_pending, close_timeout, op_timeout, connect_timeout, max_error, max_script;
  int32_t prefetch, concurrency, max_stuck;
  int64_t replicas, replica_timeout; /* replicas 0: durability=server */
} hq_actor_config;

struct heroq_actor {
  hq_life life;
  heroq_client *client;
  hq_child child;
  hq_loop loop;
  hq_actor_config config;
  char *actor_id, *about; /* about: JSON for the registration */
  char name[128];         /* host.pid.random: the holder's name in tokens */
  const hq_endpoint *endpoint;

  /* ---- under lock ---- */
  pthread_mutex_t lock;
  hq_list ready, settled;
  hq_waitq takers, syncers, closers, noters;
  uint32_t waking; /* takers that were woken and have not looked yet; rather too few than too many */
  hq_notes *noted; /* runs that have something to tell */
  bool fd_used, fd_set, event_fd_used, event_fd_set;
  hq_notice fd, event_fd;
  hq_event *events;
  uint32_t event_first, event_count;
  uint64_t event_dropped;
  hq_waitq event_takers;
  bool draining, stop, ended; /* stop: the thread is to end; ended: it has */
  int64_t drain_until;
  int32_t out, lost_slots;
  int64_t wish_until, last_wish;
  int64_t fd_rest_until, fd_rest_step; /* the host did not come for what made the fd readable: others first */
  int64_t pending_bytes;
  int32_t unsettled; /* settled by callers, not yet acknowledged */
  int32_t held;      /* all that the engine holds, for stats and close */
  bool drained_told, stuck_told;
  int64_t taken, finished, failed, retried, released, lost, stale, buried, reconnects, last_take_ms;
  bool connected;
  int64_t timeout_at; /* when hq_tend_timeouts has to look */
  double rate;        /* takes a ms */
  int64_t rate_since, rate_takes;

  /* ---- shared without the lock ---- */
  atomic_bool busy;    /* a pipeline is under way: its end looks at everything again, no wake-up needed */
  atomic_bool waiting; /* every source blocks on the server: a new taker changes nothing */

  /* ---- the engine's thread ---- */
  hq_source *source;
  uint32_t sources;
  hq_conn *conn;
  hq_batch batch;
  hq_item *item;
  uint32_t items, item_cap;
  hq_held **listed; /* of commands for several */
  uint32_t listed_count, listed_cap;
  int64_t next_number;
  size_t script_size;  /* of those claimed of late */
  int64_t alone_until; /* claims and results go one by one until then */
  hq_list work;        /* a command each is due */
  hq_list done;        /* DONE is due */
  hq_list sure;        /* WAIT is due */
  hq_list ill;         /* a key of their queue has a wrong type: sent again at ill_until */
  int64_t ill_until;
  hq_intent *intents;
  hq_list fresh; /* claimed in this turn, not yet with the takers */
  hq_ask *ask;   /* single questions about a job, lost with the connection and asked again by the next BEAT */
  uint32_t asks, ask_cap;
  int32_t incoming; /* taken, not yet ready */
  hq_conn *polled[256];
  uint32_t polled_count;
  bool reconnect, drain_seen, unblocked;
  bool published; /* jobs went to takers in this turn */
  int64_t sent_at, connect_at, connect_step, hold_until, hold_step;
  int64_t beat_at;
  int64_t wall_ahead, wall_at; /* Unix ms less monotonic ms, looked at anew at wall_at */
  int64_t stepped_at;          /* timers up to here had their turn */
  int64_t suspect_since;       /* 0: no suspect waits */
  bool alone;                  /* a suspect runs: nothing else is taken */
};

/* ---- engine.c ---- */
heroq_status hq_engine_start(heroq_actor *a, heroq_error *err);
void hq_engine_wake(heroq_actor *a); /* any thread: something was settled, or somebody waits */
hq_item *hq_engine_item(heroq_actor *a, int op, hq_source *s,
                        hq_held *h); /* before the command is put; NULL: no memory */
bool hq_engine_list(heroq_actor *a, hq_held *h);
void hq_engine_event(heroq_actor *a, const char *what, const hq_held *h);
void hq_engine_update_fd(heroq_actor *a); /* lock held */
void hq_engine_offer(heroq_actor *a);     /* lock held: what is ready may be handed out, wake takers for it */
void hq_engine_hold(heroq_actor *a, const hq_reply *r); /* the server cannot do it now: back off */
bool hq_engine_can_hand_out(const heroq_actor *a);      /* lock held */
void hq_actor_unref(heroq_actor *a);

/* ---- engine_take.c ---- */
#define HQ_SURPLUS_MS 100    /* a ready job that nobody waits for goes back after this */
#define HQ_LOOK_MS 1000      /* a queue that is paused, or ill, is looked at again after this */
#define HQ_FD_SURPLUS_MS 500 /* and one that the fd told of: its host is busy with something else */
int32_t hq_take_room(heroq_actor *a, int64_t now); /* takes the lock */
void hq_take_put(heroq_actor *a, int64_t now);     /* appends TAKE or LPOP */
void hq_take_block(heroq_actor *a, int64_t now);   /* starts blocked commands where they are due */
void hq_take_answer(heroq_actor *a, const hq_item *item, const hq_reply *r);
void hq_take_unblocked(hq_source *s);              /* a blocked command was answered */
void hq_take_broke(hq_source *s);                  /* its connection is gone */
void hq_take_surplus(heroq_actor *a, int64_t now); /* jobs that nobody waits for go back */
hq_held *hq_held_new(hq_source *s, hq_slice id, hq_slice token, int64_t renewed_at);
hq_held *hq_held_find(const hq_source *s, hq_slice id);
/* All that are in a table, one after the other; NULL begins, NULL is the end. Tables must not change between. */
hq_held *hq_held_next(const heroq_actor *a, const hq_held *after);
bool hq_held_is_out(const hq_held *h); /* lock held: a handler has it and has not settled it */
void hq_held_untable(hq_held *h);      /* out of its table: its id may be held anew */
void hq_held_drop(hq_held *h);         /* the engine is through with it */
void hq_held_unref(hq_held *h);

/* ---- engine_runs.c ---- */
/* The first of todo, and those behind it that can go with it; false: it is no claim and no result of a reliable actor. */
bool hq_runs_put(heroq_actor *a, hq_list *todo);
void hq_runs_revert(heroq_actor *a, const hq_item *item); /* unanswered */
void hq_runs_answer(heroq_actor *a, const hq_item *item, const hq_reply *r);

/* ---- engine_settle.c ---- */
void hq_settle_put(heroq_actor *a, hq_held *h);
void hq_settle_put_done(heroq_actor *a);
void hq_settle_put_wait(heroq_actor *a);                                            /* the pipeline's last command */
void hq_settle_wait_answer(heroq_actor *a, const hq_item *item, const hq_reply *r); /* r NULL: unanswered */
void hq_settle_not_sure(heroq_actor *a); /* the connection is gone, perhaps to another server */
void hq_settle_answer(heroq_actor *a, hq_held *h, const hq_reply *r);
void hq_settle_done_answer(heroq_actor *a, const hq_item *item, const hq_reply *r);
void hq_settle_begin(heroq_actor *a, hq_held *h); /* what a caller settled */
void hq_settle_again(hq_held *h, int64_t delay, int why, int64_t max,
                     int64_t seq); /* stage RETRY, into the work list */
void hq_settle_bury(hq_held *h, const char *reason);
void hq_settle_work(heroq_actor *a, hq_held *h, int stage);
void hq_settle_ill(heroq_actor *a, int64_t now); /* those whose time has come again */

/* Under the lock, for settle.c and engine_notes.c: may its caller still settle it, or tell more? */
heroq_status hq_settle_may(const hq_held *h, heroq_error *err);

/* ---- engine_notes.c ---- */
void hq_notes_put(heroq_actor *a);
/* r NULL: unanswered. The item's reference of h goes. */
void hq_notes_answer(heroq_actor *a, hq_held *h, const hq_reply *r);
bool hq_notes_pending(const hq_held *h); /* under the lock, or when it is settled */
void hq_notes_end(heroq_actor *a);       /* with the thread */
void hq_notes_free(hq_notes *n);         /* takes NULL */

/* ---- engine_intents.c ---- */
void hq_intents_put(heroq_actor *a);
void hq_intents_answer(heroq_actor *a, const hq_item *item, const hq_reply *r);
void hq_intents_free(heroq_actor *a);

/* ---- engine_tally.c: what ended, for people ---- */
void hq_tally_run(hq_held *h);           /* a handler's run is over, whatever came of it */
void hq_tally_end(hq_held *h, int kind); /* HQ_TALLY_FINISHED, HQ_TALLY_FAILED: the job has ended */
void hq_tally_count(hq_source *s, int kind, int64_t n);
void hq_tally_put(heroq_actor *a, int64_t now);
int64_t hq_tally_next(const hq_source *s);                                    /* when it is due */
void hq_tally_answer(heroq_actor *a, const hq_item *item, const hq_reply *r); /* r NULL: unanswered */
bool hq_tally_waits(const heroq_actor *a);                                    /* a drain is to send something yet */
void hq_tally_free(hq_tally *t);                                              /* takes NULL */

/* ---- engine_seen.c ---- */
void hq_seen_put(heroq_actor *a, hq_source *s, int64_t now);

/* ---- engine_tend.c ---- */
void hq_tend_put(heroq_actor *a, int64_t now); /* BEAT first, then what is due */
int64_t hq_tend_next(const heroq_actor *a);
void hq_tend_answer(heroq_actor *a, const hq_item *item, const hq_reply *r);
void hq_tend_promote_in(hq_source *s, int64_t ms); /* a delayed id is due then */
void hq_tend_took(hq_source *s);                   /* it has taken a job: no longer idle */
void hq_tend_leave(hq_source *s);                  /* it closes: others look for what is due */
void hq_tend_timeouts(heroq_actor *a, int64_t now);
void hq_tend_strict(heroq_actor *a, int64_t now); /* the server is away: stop what outlives its lease */
void hq_tend_lost(heroq_actor *a, hq_held *h);    /* its lease is somebody else's */
#endif
