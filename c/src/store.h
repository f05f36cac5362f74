/* Storing and starting a job: what a submit consists of, for the supervisor, its bulk way, the awaits and the waiter. */
#ifndef HQ_STORE_H
#define HQ_STORE_H
#include "client_private.h"
#include "delivery.h"
#include "job_private.h"

/* Before anything is sent: NULL, size limits; with `start`: that it has no prerequisites. */
heroq_status hq_store_check(const heroq_client *c, const heroq_job *job, bool start, heroq_error *err);
/* A job that was frozen before may have been written before: from now on creating it is guarded. */
void hq_store_freeze(heroq_job *job);
/* hq_wire_put_create, after which every further one of this job is guarded. Returns whether this one is. */
bool hq_store_put(hq_batch *b, heroq_job *job, hq_slice reply_to);
/* The answer to it, command i of the batch. */
heroq_status hq_store_answer(const hq_batch *b, uint32_t i, const heroq_job *job, heroq_error *err);

/* Where and when a job is to be started. */
typedef struct hq_start {
  hq_qkeys queue;
  int64_t delay, at;
  bool urgent;
  bool noted;   /* hq_start_note stands before the hash */
  bool durable; /* counts only when replicas have it */
} hq_start;
heroq_status hq_start_init(hq_start *s, const heroq_client *c, const heroq_job *job, heroq_error *err);
/* The note of an intent, where the client wants them: before the hash is written. */
void hq_start_note(hq_batch *b, const hq_start *s, hq_slice id);
/* The push of the ids, and once a process the queue's registration behind it, whose answer does not matter. Returns the
 * index of the push. */
uint32_t hq_start_put(heroq_client *c, hq_batch *b, const hq_start *s, const hq_slice *id, uint32_t n);
heroq_status hq_start_answer(heroq_client *c, const hq_batch *b, uint32_t push, const hq_start *s, heroq_error *err);
void hq_start_free(hq_start *s);

/* Stores and starts. One round trip, two where the id is guarded. With `blpop` the last exchange goes on with a BLPOP of
 * `reply_to` for that many seconds, with `look` it ends with AWAIT, which only looks: their replies are the batch's last. */
typedef struct hq_submit {
  heroq_client *client;
  const hq_closing *also;
  heroq_job *job;
  hq_slice reply_to;
  double blpop;
  bool look;
  bool stands; /* out: the job is stored and pushed, even if what came behind it failed */
} hq_submit;
heroq_status hq_submit_run(hq_submit *s, hq_conn *conn, hq_batch *b, int64_t deadline, heroq_call *call,
                           heroq_error *err);
/* durability=wait: behind what is to be durable, and what its answer means. */
bool hq_durable(const heroq_client *c);
void hq_durable_put(const heroq_client *c, hq_batch *b);
heroq_status hq_durable_answer(const heroq_client *c, const hq_batch *b, uint32_t i, heroq_error *err);
/* One plain exchange whose only reply must be no error. */
heroq_status hq_ask(heroq_client *c, hq_batch *b, const char *what, heroq_call *call, heroq_error *err);
#endif
