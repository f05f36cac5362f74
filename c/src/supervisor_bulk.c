/* submit_many: chunks, two batches in turn. While one is on its way the hashes of the next chunk are written into the
 * other, and the ids whose hash stands are pushed with it: a round trip a chunk. */
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "errors.h"
#include "index.h"
#include "store.h"
#include "supervisor_private.h"

#define CHUNK 500

/* Jobs that are pushed with one command: the same queue, the same time. */
typedef struct group {
  struct group *next;
  hq_start start;
  hq_slice *id; /* room for CHUNK */
  int32_t *item;
  uint32_t n;
} group;

typedef struct chunk {
  hq_batch batch;
  uint32_t created, pushed;
  int32_t item[CHUNK];        /* the jobs that it creates */
  uint32_t created_by[CHUNK]; /* the index of the command */
  group *of[CHUNK];
  int32_t pushed_item[CHUNK];
  uint32_t pushed_by[CHUNK]; /* the index of the command that pushes it */
  group *pushed_group[CHUNK];
  uint32_t index, behind; /* commands that note the pushed jobs in the index */
} chunk;

typedef struct bulk {
  heroq_supervisor *self;
  heroq_jobs *jobs;
  heroq_call *call;
  group *groups, *last;
  int32_t next; /* the job to look at next */
  int32_t first_failed;
  heroq_error failed; /* of that job */
} bulk;

static void refuse(bulk *k, int32_t item, heroq_status status, const heroq_error *why) {
  k->jobs->status[item] = status;
  if (k->first_failed >= 0) return;
  k->first_failed = item;
  k->failed = *why;
}

static bool same_start(const group *g, const char *key, const heroq_job *job) {
  return g->start.delay == job->delay && g->start.at == job->at && g->start.urgent == job->urgent &&
         strcmp(g->start.queue.key[HQ_Q].p, key) == 0;
}

static group *new_group(bulk *k, const heroq_job *job, heroq_error *err) {
  group *g = calloc(1, sizeof *g);
  if (!g || !(g->id = malloc(CHUNK * sizeof *g->id)) || !(g->item = malloc(CHUNK * sizeof *g->item)))
    hq_fail_nomem(err);
  else if (hq_start_init(&g->start, k->self->client, job, err) == HEROQ_OK) {
    g->next = k->groups;
    return k->groups = g;
  }
  if (g) free(g->item), free(g->id);
  free(g);
  return NULL;
}

/* The last group is nearly always the right one. */
static group *find_group(bulk *k, const heroq_job *job, hq_buf *key, heroq_error *err) {
  key->n = 0;
  if (hq_job_queue_key(job, key, err)) return NULL;
  const char *text = hq_buf_cstr(key);
  if (!k->last || !same_start(k->last, text, job)) {
    k->last = k->groups;
    while (k->last && !same_start(k->last, text, job)) k->last = k->last->next;
  }
  if (!k->last) k->last = new_group(k, job, err);
  return k->last;
}

/* Fills a chunk with the next jobs that are not done. */
static void put_hashes(bulk *k, chunk *c) {
  hq_buf key = {0};
  heroq_error why;
  hq_batch_reset(&c->batch);
  c->created = c->pushed = c->index = c->behind = 0;
  for (; k->next < k->jobs->count && c->created < CHUNK; k->next++) {
    heroq_job *job = k->jobs->job[k->next];
    if (k->jobs->status[k->next] == HEROQ_OK) continue;
    heroq_status status = hq_store_check(k->self->client, job, true, &why);
    group *g = status ? NULL : find_group(k, job, &key, &why);
    if (!g) {
      refuse(k, k->next, why.code, &why);
      continue;
    }
    hq_store_freeze(job);
    hq_start_note(&c->batch, &g->start, hq_job_slice(job, HQ_F_JOB_ID));
    c->created_by[c->created] = c->batch.count;
    hq_store_put(&c->batch, job, HQ_SLICE_NONE);
    c->item[c->created] = k->next;
    c->of[c->created++] = g;
  }
  hq_buf_free(&key);
}

/* Reads the hashes of `from`, and pushes the ids of those that stand with `to`. */
static void push_stored(bulk *k, chunk *from, chunk *to) {
  heroq_error why;
  heroq_job *stored[CHUNK];
  uint32_t n = 0;
  for (uint32_t i = 0; i < from->created; i++) {
    int32_t item = from->item[i];
    heroq_job *job = k->jobs->job[item];
    heroq_status status = hq_store_answer(&from->batch, from->created_by[i], job, &why);
    group *g = from->of[i];
    if (status)
      refuse(k, item, status, &why);
    else {
      stored[n++] = job;
      g->item[g->n] = item;
      g->id[g->n++] = hq_job_slice(job, HQ_F_JOB_ID);
    }
  }
  for (group *g = k->groups; g; g = g->next) {
    if (!g->n) continue;
    uint32_t push = hq_start_put(k->self->client, &to->batch, &g->start, g->id, g->n);
    for (uint32_t i = 0; i < g->n; i++) {
      to->pushed_item[to->pushed] = g->item[i];
      to->pushed_group[to->pushed] = g;
      to->pushed_by[to->pushed++] = push;
    }
    g->n = 0;
  }
  to->index = to->batch.count;
  hq_index_put(k->self->client, &to->batch, stored, n);
  to->behind = to->batch.count;
}

static void read_pushes(bulk *k, const chunk *c) {
  heroq_error why;
  heroq_status status = HEROQ_OK;
  hq_index_answer(k->self->client, &c->batch, c->index, c->behind);
  for (uint32_t i = 0; i < c->pushed; i++) {
    if (i == 0 || c->pushed_by[i] != c->pushed_by[i - 1])
      status = hq_start_answer(k->self->client, &c->batch, c->pushed_by[i], &c->pushed_group[i]->start, &why);
    if (status)
      refuse(k, c->pushed_item[i], status, &why);
    else
      k->jobs->status[c->pushed_item[i]] = HEROQ_OK;
  }
}

/* The exchange failed: what was answered stands, what was sent is unknown, the rest was not sent. */
static void give_up(bulk *k, const chunk *c, bool sent, const heroq_error *why) {
  for (uint32_t i = 0; i < c->created; i++) {
    bool answered = hq_batch_reply(&c->batch, c->created_by[i]) != NULL;
    refuse(k, c->item[i], sent && !answered ? HEROQ_E_CONNECTION : HEROQ_E_STATE, why);
  }
  for (uint32_t i = 0; i < c->pushed; i++) {
    const hq_start *s = &c->pushed_group[i]->start;
    uint32_t last = c->pushed_by[i] + (s->durable ? 2 : 0);
    if (hq_batch_reply(&c->batch, last) &&
        hq_start_answer(k->self->client, &c->batch, c->pushed_by[i], s, NULL) == HEROQ_OK)
      k->jobs->status[c->pushed_item[i]] = HEROQ_OK;
    else
      refuse(k, c->pushed_item[i], sent ? HEROQ_E_CONNECTION : HEROQ_E_STATE, why);
  }
}

static void send_chunk(bulk *k, hq_conn *conn, chunk *c) {
  hq_conn_send(conn, &c->batch, hq_client_op_deadline(k->self->client, hq_wait_deadline(HEROQ_FOREVER, k->call)));
}

static heroq_status run(bulk *k, hq_conn *conn, chunk *c[2], heroq_error *err) {
  put_hashes(k, c[0]);
  for (int turn = 0; c[turn]->batch.count || c[turn]->batch.failed; turn = !turn) {
    chunk *now = c[turn], *then = c[!turn];
    send_chunk(k, conn, now);
    put_hashes(k, then);
    heroq_status status = hq_conn_collect(k->self->client, &k->self->closing, conn, k->call, err);
    if (status) {
      heroq_error why;
      hq_fail(&why, status, "%s", err->text);
      give_up(k, now, hq_conn_sent(conn), &why);
      for (uint32_t i = 0; i < then->created; i++) refuse(k, then->item[i], HEROQ_E_STATE, &why);
      return status;
    }
    read_pushes(k, now);
    push_stored(k, now, then);
  }
  return HEROQ_OK;
}

static heroq_status sum_up(const bulk *k, heroq_status status, const heroq_error *ended, heroq_error *err) {
  int32_t done = 0, count = k->jobs->count;
  for (int32_t i = 0; i < count; i++) done += k->jobs->status[i] == HEROQ_OK;
  if (done == count) return hq_ok(err);
  bool whole = !done || status == HEROQ_E_CANCELLED || status == HEROQ_E_CLOSED || status == HEROQ_E_TIMEOUT;
  const heroq_error *why = status ? ended : &k->failed;
  if (status && whole)
    hq_error_copy(err, ended);
  else
    status =
        hq_fail(err, HEROQ_E_PARTIAL, "%d of %d jobs are not started: %s", (int)(count - done), (int)count, why->text);
  if (why->flags & HEROQ_RETRYABLE) hq_error_flag(err, HEROQ_RETRYABLE);
  if (why->flags & HEROQ_MAYBE_DONE) hq_error_flag(err, HEROQ_MAYBE_DONE);
  hq_error_set_item(err, k->first_failed);
  return status;
}

static void free_all(bulk *k, chunk *c[2]) {
  for (int i = 0; i < 2; i++) {
    if (c[i]) hq_batch_free(&c[i]->batch);
    free(c[i]);
  }
  for (group *g = k->groups, *next; g; g = next) {
    next = g->next;
    hq_start_free(&g->start);
    free(g->id);
    free(g->item);
    free(g);
  }
}

heroq_status heroq_supervisor_submit_many(heroq_supervisor *self, heroq_jobs *jobs, heroq_call *call,
                                          heroq_error *err) {
  heroq_status status = hq_supervisor_enter(self, err);
  if (status) return status;
  if (!jobs) return hq_fail(err, HEROQ_E_INVALID, "heroq_supervisor_submit_many: the list of jobs is NULL");
  hq_conn *conn = NULL;
  heroq_error ended;
  status = hq_pool_take(self->client, &conn, HQ_NEVER, call, err);
  if (status) return status;
  bulk k = {.self = self, .jobs = jobs, .call = call, .first_failed = -1};
  chunk *c[2] = {calloc(1, sizeof *c[0]), calloc(1, sizeof *c[1])};
  status = c[0] && c[1] ? run(&k, conn, c, &ended) : hq_fail_nomem(&ended);
  hq_pool_give(self->client, conn);
  status = sum_up(&k, status, &ended, err);
  free_all(&k, c);
  return status;
}
