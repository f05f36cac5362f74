/* Delivery: every operation of c/PROTOCOL.md as a function that appends its command to a batch, and one that reads its
 * answer. The only place, beside supervisor.c's plain HSET/LPUSH/BLPOP, that knows what goes over the wire. Pure: no
 * connection, no state. Times are ms. Ids and tokens are slices because they come from the wire. */
#ifndef HQ_DELIVERY_H
#define HQ_DELIVERY_H
#include "conn.h"

/* ---- the keys of a queue ---- */
enum hq_queue_key {
  HQ_Q,
  HQ_Q_HANDOFF,
  HQ_Q_SEEN,
  HQ_Q_LEASES,
  HQ_Q_HOLDERS,
  HQ_Q_DELAYED,
  HQ_Q_RECOVERIES,
  HQ_Q_MISSING,
  HQ_Q_STOPS,
  HQ_Q_DEAD,
  HQ_Q_REASONS,
  HQ_Q_INTENTS,
  HQ_Q_META,
  HQ_Q_ACTORS,
  HQ_Q_MINUTES,
  HQ_Q_FINISHED,
  HQ_Q_FAILED,
  HQ_Q_KEY_COUNT
};
typedef struct hq_qkeys {
  hq_slice key[HQ_Q_KEY_COUNT]; /* into `text`, each NUL-terminated */
  char *text;
} hq_qkeys;
bool hq_qkeys_init(hq_qkeys *k, const char *queue_key); /* false: no memory */
void hq_qkeys_free(hq_qkeys *k);

typedef struct hq_idtok {
  hq_slice id, token;
} hq_idtok;

/* ---- queue slot ---- */
/* TAKE. handoff_id: HQ_SLICE_NONE if none. empty: 0 I hold jobs; 1 I hold none; 2 I hold jobs and have waited a lease.
 * behind: it follows a BLMOVE in its pipeline, whose id nobody knows yet. */
enum hq_take_word { HQ_TAKE_OK = 0, HQ_TAKE_PAUSED, HQ_TAKE_SUSPECT, HQ_TAKE_ALONE /* what was taken is a suspect */ };
void hq_put_take(hq_batch *b, const hq_qkeys *q, const char *actor, int64_t lease, int32_t n, hq_slice handoff_id,
                 int64_t recheck, int32_t empty, bool behind);
/* Returns hq_take_word; *n pairs follow, pair i by hq_get_pair(reply, 1, i). -1: not an answer of TAKE. */
int32_t hq_get_take(const hq_reply *r, uint32_t *n);
hq_idtok hq_get_pair(const hq_reply *r, uint32_t skip, uint32_t i);
void hq_put_blmove(hq_batch *b, const hq_qkeys *q, double seconds); /* BLMOVE Q handoff RIGHT LEFT */
void hq_put_blpop(hq_batch *b, hq_slice key, double seconds);
void hq_put_lpop(hq_batch *b, hq_slice key, int32_t n);           /* canonical, many at once */
void hq_put_unblock(hq_batch *b, int64_t client_id);              /* CLIENT UNBLOCK: ends a blocked command */
void hq_put_holder(hq_batch *b, hq_slice queue_key, hq_slice id); /* HGET of that queue's holders */
/* BEAT: n <= 128 pairs. Answer: lost ids, ids asked to stop (hints), paused. */
void hq_put_beat(hq_batch *b, const hq_qkeys *q, int64_t lease, const hq_idtok *held, uint32_t n);
typedef struct hq_beat {
  const hq_reply *lost, *stop; /* arrays of ids */
  bool paused;
} hq_beat;
bool hq_get_beat(const hq_reply *r, hq_beat *out);
void hq_put_mine(hq_batch *b, const hq_qkeys *q, const char *actor); /* answer: pairs, hq_get_pair(r, 0, i) */
void hq_put_done(hq_batch *b, const hq_qkeys *q, const hq_idtok *held, uint32_t n); /* n <= 128; answer: how many */
/* RETRY: delay < 0: to the right end of Q. `why`: HQ_AGAIN plain; HQ_AGAIN_MISSING counts in `missing` and doubles the
 * delay, at most `max` times; HQ_AGAIN_DROPPED counts in `recoveries`, at most `max`. seq > 0 raises meta.seq.
 * Answer: 1 done, 0 not mine, 2 over the limit: nothing done, the lease stays (bury it). */
enum hq_again { HQ_AGAIN = 0, HQ_AGAIN_MISSING, HQ_AGAIN_DROPPED };
void hq_put_retry(hq_batch *b, const hq_qkeys *q, hq_idtok held, int64_t delay, int32_t why, int64_t max, int64_t seq);
void hq_put_bury(hq_batch *b, const hq_qkeys *q, hq_idtok held, hq_slice reason); /* 1, or 0 not mine */
/* PROMOTE at most n due ids. Answer: {promoted, ms until the next is due or -1, ms that another actor keeps watch}.
 * actor NULL: who would not keep it. watch: for so many ms, 0 gives it up. */
void hq_put_promote(hq_batch *b, const hq_qkeys *q, int32_t n, const char *actor, int64_t watch);
/* REAP. Answer: {lost, back, id, token, …}: pairs to KILL, hq_get_pair(r, 2, i). */
typedef struct hq_reap {
  int32_t batch;
  int64_t max_recoveries, backoff, interval, lease, handoff_grace;
} hq_reap;
void hq_put_reap(hq_batch *b, const hq_qkeys *q, const char *actor, const hq_reap *how);
/* INTENT: notes a start before it is made. INTENTS: n <= 128 ids whose note is older than `grace`. */
void hq_put_intent(hq_batch *b, const hq_qkeys *q, hq_slice id, int64_t delay, int64_t at);
void hq_put_intents(hq_batch *b, const hq_qkeys *q, int64_t grace, int32_t n);
void hq_put_intent_look(hq_batch *b, const char *job_key);
bool hq_get_intent_look(const hq_reply *r);                          /* whether the job is still to be queued */
void hq_put_intent_off(hq_batch *b, const hq_qkeys *q, hq_slice id); /* ZREM */
/* PUSH: LPUSH (RPUSH when urgent) of n ids, or ZADD delayed when delay > 0 or at > 0 (Unix ms). Plain LPUSH where neither
 * is asked for, as the guide has it. `noted`: takes the note away. */
void hq_put_push(hq_batch *b, const hq_qkeys *q, const hq_slice *id, uint32_t n, int64_t delay, int64_t at, bool urgent,
                 bool noted);
/* MARK and WAIT, two commands. hq_get_wait, of the answers to both: whether so many replicas have all that went before. */
void hq_put_wait(hq_batch *b, int64_t replicas, int64_t timeout);
heroq_status hq_get_wait(const hq_reply *mark, const hq_reply *wait, int64_t replicas, heroq_error *err);
void hq_put_push_again(hq_batch *b, const hq_qkeys *q, hq_slice id); /* last step of a requeue */
void hq_put_due_now(hq_batch *b, const hq_qkeys *q, hq_slice id); /* script STOP with stops=0: ZADD delayed XX LT now */
void hq_put_stop(hq_batch *b, const hq_qkeys *q, hq_slice id);    /* script STOP with stops=1: ZADD stops */
/* SEEN: registers an actor for people and tools. Zset `actors`: actor → when its entry ends (server ms); the key of
 * hq_actor_key holds `what`, short JSON about it. Both expire by themselves. */
void hq_put_seen(hq_batch *b, const hq_qkeys *q, const char *actor, hq_slice what, int64_t ttl);
void hq_actor_key(hq_buf *out, const hq_qkeys *q, hq_slice actor);      /* appends {Q}:actor:<actor> */
void hq_put_register(hq_batch *b, hq_slice queue_key, int64_t wall_ms); /* ZADD {heroq}:queues */

/* TALLY: what an actor saw end since it last told, n counting from 1; waits and runs as hq_histogram_put writes them. */
enum hq_tally_kind { HQ_TALLY_FINISHED, HQ_TALLY_FAILED, HQ_TALLY_RETRIED, HQ_TALLY_LOST, HQ_TALLY_KINDS };
void hq_put_tally(hq_batch *b, const hq_qkeys *q, const char *actor, int64_t n, const int64_t count[HQ_TALLY_KINDS],
                  hq_slice waits, hq_slice runs);
/* ENDED: the history. n <= 128 pairs of ms ago and id follow by hq_batch_int and hq_batch_slice, first the finished. */
#define HQ_ENDED_MOST 128
#define HQ_HISTORY_KEPT 10000
void hq_put_ended(hq_batch *b, const hq_qkeys *q, uint32_t finished, uint32_t n);

/* ---- the index, {heroq} ---- */
/* INDEX, or FILE under `key`: n <= 128 ids follow by hq_batch_slice. */
#define HQ_INDEX_MOST 128
void hq_put_index(hq_batch *b, int64_t keep, int64_t most, uint32_t n);
void hq_put_file(hq_batch *b, hq_slice key, int64_t keep, int64_t most, uint32_t n);

/* ---- job slot ---- */
void hq_put_place(hq_batch *b, const char *job_key,
                  const char *queue); /* PLACE: notes where it is to be queued; 1, 0 */
/* What a claim reads, in this order; absent ones are nil. */
#define HQ_CLAIM_FIELDS "script", "timeout", "retries", "callerId", "contextId", "env_vars", "hq_headers"
#define HQ_CLAIM_FIELD_COUNT 7
/* Verdicts: the first number of CLAIM, KILL, FINISH, FAIL. */
enum hq_verdict {
  HQ_MISSING = -1,
  HQ_TERMINAL = -2,
  HQ_SUPERSEDED = -3,
  HQ_STOPPED = -4,
  HQ_ELSEWHERE = -5,
  HQ_NO_ANSWER = -100
};
typedef struct hq_claim {
  int64_t verdict;        /* > 0: the attempt; else hq_verdict */
  const hq_reply *fields; /* attempt: an array as HQ_CLAIM_FIELDS */
  hq_slice reply_to;      /* attempt, TERMINAL, STOPPED: whom to answer, n 0 = nobody */
  hq_slice payload;       /* TERMINAL, STOPPED: the output or error to send */
  hq_slice reason;        /* TERMINAL: to be buried here with this reason, n 0 = no */
  int64_t due;            /* attempt: when a delayed one was to start, Unix ms; 0 unknown; -1 it is not delayed */
  int64_t seq;            /* SUPERSEDED */
  hq_slice queue, token;  /* ELSEWHERE */
} hq_claim;
/* CLAIM and FINISH are for n <= HQ_JOBS_MOST runs at once: n > 1 is answered by a list. FINISH sends the reply too where
 * reply_to is given, of all of them or none. */
#define HQ_JOBS_MOST 32
typedef struct hq_run {
  const char *job_key;
  hq_slice token;
  hq_slice queue, over; /* CLAIM */
  hq_slice output;      /* FINISH */
  hq_slice id, reply_to;
} hq_run;
void hq_put_claim(hq_batch *b, const hq_run *run, uint32_t n);
bool hq_get_claim(const hq_reply *r, hq_claim *out); /* false: no answer of CLAIM or KILL */
void hq_put_kill(hq_batch *b, const char *job_key, hq_slice token, hq_slice queue, hq_slice over, hq_slice error);
typedef struct hq_ended {
  int64_t
      verdict; /* FINISH: 1, 2 (written before); FAIL: n-th failure > 0, to be retried; 0 final; UNCLAIM: 1 released, 0
                      not mine, 2 ended; negative: hq_verdict */
  hq_slice reply_to;
  hq_slice reason;  /* FAIL final: bury with it, n 0 = DONE */
  hq_slice payload; /* FAIL 0, UNCLAIM 2: what to send (a stopped job's error is "cancelled") */
} hq_ended;
void hq_put_finish(hq_batch *b, const hq_run *run, uint32_t n);
void hq_put_fail(hq_batch *b, const char *job_key, hq_slice token, hq_slice error, int64_t max_retries, bool dead);
void hq_put_unclaim(hq_batch *b, const char *job_key, hq_slice token, bool seen);
bool hq_get_ended(const hq_reply *r, hq_ended *out);
/* NOTE: what a run tells meanwhile. Answer: 1, or HQ_MISSING, HQ_TERMINAL, HQ_SUPERSEDED. The arguments are appended by
 * hq_batch_slice: `lines` lines, then `chunks` chunks, together at most HQ_NOTES_MOST. */
#define HQ_NOTES_MOST 128
typedef struct hq_note_head {
  const char *job_key;
  hq_slice run;
  bool fenced; /* run is the token in the hash */
  int64_t n;
  hq_slice progress; /* n 0: none */
  uint32_t lines, chunks;
} hq_note_head;
void hq_put_note(hq_batch *b, const hq_note_head *head);
void hq_batch_beside(hq_batch *b, const char *job_key, const char *part); /* an argument: {hero:job:<id>}:<part> */
/* CANCEL: 0 unknown, 1 ended now, 2 asked to stop, 3 had ended, 4 a foreign actor has it. */
typedef struct hq_cancel {
  int64_t verdict;
  hq_slice queue, token, reply_to, script_type;
} hq_cancel;
void hq_put_cancel(hq_batch *b, const char *job_key);
bool hq_get_cancel(const hq_reply *r, hq_cancel *out);
void hq_put_delete(hq_batch *b, const char *job_key,
                   int64_t tombstone_ttl);             /* {1, queue, script_type} | {2, queue} busy | {0} */
void hq_put_requeue(hq_batch *b, const char *job_key); /* {1, queue, script_type} | {0} busy | {-1} */
/* AWAIT: sets hq_reply_to unless terminal; answer nil or {status, output, error, has_token, requeued, script_type,
 * queue}. With reply_to NONE it only looks. */
void hq_put_await(hq_batch *b, const char *job_key, hq_slice reply_to);
typedef struct hq_awaited {
  hq_slice status; /* lower case; n 0 and `exists` false: no hash */
  hq_slice output, error;
  bool exists, terminal, failed, has_token, requeued;
  hq_slice script_type, queue;
} hq_awaited;
bool hq_get_awaited(const hq_reply *r, hq_awaited *out);
/* SETTLE: the waiter writes what a foreign actor only put into output (from_output), or only replied. 1 written, 0 not. */
void hq_put_settle(hq_batch *b, const char *job_key, bool from_output, hq_slice value);

/* ---- canonical actor, guarded ---- */
/* START: status=started unless terminal. Answer like CLAIM's (attempt 1, fields; TERMINAL; MISSING). */
void hq_put_start(hq_batch *b, const char *job_key);
/* RESULT: output,status=finished (failed: error,status=error) in one HSET unless terminal. Answer {1|2.., reply_to} as
 * FINISH; also the guide's set_result. */
void hq_put_result(hq_batch *b, const char *job_key, bool failed, hq_slice value);

/* ---- reply slot, ctl list ---- */
/* REPLY: LPUSH, LTRIM 0 15 (not for a waiter's shared list), PEXPIRE 1 h. Only for names hero:q:reply:*; false: refused. On
 * a shared list hero:q:reply:waiter.* the payload is "<id> <payload>"... the id alone decides, the waiter reads the hash. */
bool hq_put_reply(hq_batch *b, hq_slice reply_to, hq_slice job_id, hq_slice payload);
bool hq_is_reply_list(hq_slice key);
bool hq_is_shared_list(hq_slice key);
void hq_batch_entry(hq_batch *b, hq_slice job_id);                     /* an argument: what a shared list gets */
void hq_put_ctl(hq_batch *b, const char *ctl_key, hq_slice id);        /* LPUSH, LTRIM 256, PEXPIRE 1 h */
void hq_put_ctl_look(hq_batch *b, const char *ctl_key);                /* LRANGE 0 255 */
void hq_put_ctl_remove(hq_batch *b, const char *ctl_key, hq_slice id); /* LREM */
#endif
