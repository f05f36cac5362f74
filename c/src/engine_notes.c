/* What a run tells while it goes on: callers append, the engine sends it in order, the result goes after it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "errors.h"
#include "json.h"
#include "utf8.h"

#define PENDING_MOST ((size_t)1 << 20) /* of one run */
#define NOTE_BYTES ((size_t)1 << 20)   /* in one command, one huge value apart */
#define LINE_MOST ((size_t)1 << 20)
#define PROGRESS_MOST 512

enum kind { LINE, CHUNK };

typedef struct note {
  struct note *next;
  enum kind kind;
  size_t n;
  char bytes[];
} note;

struct hq_notes {
  hq_notes *next; /* of the actor's list, once */
  hq_held *held;  /* referenced while listed */
  bool listed;
  /* under the actor's lock */
  note *first, **last;
  size_t pending; /* bytes, those on their way included */
  char progress[PROGRESS_MOST];
  bool has_progress;
  int64_t number; /* of the last note; negative: it is under way */
  /* the engine's: the note under way, kept until it is answered */
  note *sent;
  uint32_t lines, chunks; /* of it; none: nothing is under way */
  char sent_progress[PROGRESS_MOST];
  bool refused; /* under the lock: the run is over for the server, nothing is told any more */
};

static void free_list(note *n) {
  while (n) {
    note *next = n->next;
    free(n);
    n = next;
  }
}

void hq_notes_free(hq_notes *n) {
  if (!n) return;
  free_list(n->first);
  free_list(n->sent);
  free(n);
}

/* ---- callers, under the lock ---- */

static void list(heroq_actor *a, hq_notes *n) {
  if (n->listed) return;
  n->listed = true;
  atomic_fetch_add(&n->held->refs, 1);
  n->next = a->noted;
  a->noted = n;
}

/* While a note is under way, its answer lists what came meanwhile. */
static void tell_engine(heroq_actor *a, hq_notes *n) {
  if (n->number < 0) return;
  list(a, n);
  hq_engine_wake(a);
}

static hq_notes *notes_of(hq_held *h) {
  if (h->notes) return h->notes;
  h->notes = calloc(1, sizeof *h->notes);
  if (!h->notes) return NULL;
  h->notes->held = h;
  h->notes->last = &h->notes->first;
  return h->notes;
}

/* Room for size bytes, or why there is none. */
static heroq_status room(heroq_actor *a, hq_held *h, size_t size, heroq_call *call, heroq_error *err) {
  int64_t deadline = hq_wait_deadline(HEROQ_FOREVER, call);
  for (;;) {
    heroq_status rc = hq_settle_may(h, err);
    if (rc) return rc;
    if (!h->notes->pending || h->notes->pending + size <= PENDING_MOST) return HEROQ_OK;
    if (call) rc = hq_waitq_wait(&a->noters, &a->lock, deadline, call);
    if (!call)
      return hq_fail(err, HEROQ_E_FULL, "%s: %zu bytes of log and stream wait to be written", h->job_key,
                     h->notes->pending);
    if (rc)
      return hq_fail(err, rc, "%s: %s, nothing was added", h->job_key,
                     rc == HEROQ_E_TIMEOUT ? "there was no room in time" : "the wait for room was cancelled");
  }
}

static heroq_status enter(const heroq_job *job, hq_held **out, heroq_error *err) {
  if (!job) return hq_fail(err, HEROQ_E_INVALID, "the job is NULL");
  hq_held *h = *out = job->taken;
  if (!h) return hq_fail(err, HEROQ_E_STATE, "%s was not taken by an actor, it has no run", heroq_job_id(job));
  if (hq_life_forked(&h->actor->life))
    return hq_fail(err, HEROQ_E_FORKED, "%s was taken by the process before fork", h->job_key);
  return HEROQ_OK;
}

static heroq_status add(heroq_job *job, enum kind kind, const void *data, size_t size, heroq_call *call,
                        heroq_error *err) {
  hq_held *h = NULL;
  heroq_status rc = enter(job, &h, err);
  if (rc) return rc;
  const char *what = kind == LINE ? "the line" : "the chunk";
  if (!data && size) return hq_fail(err, HEROQ_E_INVALID, "%s is NULL and its size %zu", what, size);
  if (kind == LINE && size > LINE_MOST) size = LINE_MOST;
  heroq_actor *a = h->actor;
  if (size > (size_t)a->config.max_script)
    return hq_fail(err, HEROQ_E_TOO_BIG, "%s has %zu bytes; the limit (option max_script) is %lld", what, size,
                   (long long)a->config.max_script);
  note *n = malloc(sizeof *n + size + 1);
  if (!n) return hq_fail_nomem(err);
  *n = (note){.kind = kind, .n = size};
  if (size) memcpy(n->bytes, data, size);
  pthread_mutex_lock(&a->lock);
  rc = notes_of(h) ? room(a, h, size, call, err) : hq_fail_nomem(err);
  if (rc || h->notes->refused)
    free(n);
  else {
    *h->notes->last = n;
    h->notes->last = &n->next;
    h->notes->pending += size;
    tell_engine(a, h->notes);
  }
  pthread_mutex_unlock(&a->lock);
  return rc ? rc : hq_ok(err);
}

heroq_status heroq_job_log(heroq_job *self, const void *line, size_t size, heroq_call *call, heroq_error *err) {
  if (line && size && ((const char *)line)[size - 1] == '\n') size--;
  return add(self, LINE, line, size, call, err);
}

heroq_status heroq_job_stream(heroq_job *self, const void *chunk, size_t size, heroq_call *call, heroq_error *err) {
  return add(self, CHUNK, chunk, size, call, err);
}

heroq_status heroq_job_progress(heroq_job *self, double percent, const char *text, heroq_error *err) {
  hq_held *h = NULL;
  heroq_status rc = enter(self, &h, err);
  if (rc) return rc;
  if (!(percent >= 0 && percent <= 100)) return hq_fail(err, HEROQ_E_INVALID, "percent is 0 to 100, not %g", percent);
  if (text && !hq_utf8_ok(hq_slice_of(text)))
    return hq_fail(err, HEROQ_E_INVALID, "the text of a progress must be UTF-8");
  char made[PROGRESS_MOST];
  int64_t hundredths = (int64_t)(percent * 100 + 0.5); /* no decimal point of a locale */
  int at = snprintf(made, sizeof made, "%lld %lld %d.%02d ", (long long)heroq_job_attempt(self),
                    (long long)hq_wall_ms(), (int)(hundredths / 100), (int)(hundredths % 100));
  hq_escape(made + at, sizeof made - (size_t)at, text ? text : "", text ? strlen(text) : 0);
  heroq_actor *a = h->actor;
  pthread_mutex_lock(&a->lock);
  rc = hq_settle_may(h, err);
  if (!rc && !notes_of(h)) rc = hq_fail_nomem(err);
  if (!rc && !h->notes->refused) {
    memcpy(h->notes->progress, made, sizeof made);
    h->notes->has_progress = true;
    tell_engine(a, h->notes);
  }
  pthread_mutex_unlock(&a->lock);
  return rc ? rc : hq_ok(err);
}

/* ---- the engine ---- */

bool hq_notes_pending(const hq_held *h) {
  const hq_notes *n = h->notes;
  return n && (n->number < 0 || n->first || n->has_progress);
}

/* Takes what goes into the next command out of what waits; lines first, since their count comes before the chunks. */
static void cut(hq_notes *n) {
  size_t bytes = 0;
  uint32_t count = 0;
  note **end = &n->sent;
  n->lines = n->chunks = 0;
  while (n->first && count < HQ_NOTES_MOST && bytes < NOTE_BYTES) {
    note *one = n->first;
    if (one->kind == LINE && n->chunks) break; /* the order of each kind is kept, and so is that of both */
    n->first = one->next;
    *end = one;
    end = &one->next;
    one->next = NULL;
    one->kind == LINE ? n->lines++ : n->chunks++;
    bytes += one->n;
    count++;
  }
  if (!n->first) n->last = &n->first;
  n->sent_progress[0] = 0;
  if (n->has_progress) memcpy(n->sent_progress, n->progress, sizeof n->progress);
  n->has_progress = false;
  n->number = -(n->number + 1);
}

static void put(heroq_actor *a, hq_notes *n) {
  hq_held *h = n->held;
  hq_note_head head = {.job_key = h->job_key,
                       .run = h->token,
                       .fenced = !a->config.canonical,
                       .n = -n->number,
                       .progress = hq_slice_of(n->sent_progress),
                       .lines = n->lines,
                       .chunks = n->chunks};
  char own[sizeof a->name + 32];
  if (a->config.canonical) {
    snprintf(own, sizeof own, "%s:%lld", a->name, (long long)h->number);
    head.run = hq_slice_of(own);
  }
  hq_put_note(&a->batch, &head);
  for (note *one = n->sent; one; one = one->next) hq_batch_slice(&a->batch, (hq_slice){one->bytes, one->n});
}

/* The next that has something to tell, with the reference that its place in the list had; NULL: none. */
static hq_notes *next_listed(heroq_actor *a) {
  pthread_mutex_lock(&a->lock);
  hq_notes *n = a->noted;
  if (n) {
    a->noted = n->next;
    n->listed = false;
    if (n->number >= 0) cut(n);
  }
  pthread_mutex_unlock(&a->lock);
  return n;
}

void hq_notes_put(heroq_actor *a) {
  for (hq_notes *n; a->batch.text.n < NOTE_BYTES && (n = next_listed(a)) != NULL;)
    if (hq_engine_item(a, HQ_OP_NOTE, n->held->source, n->held))
      put(a, n);
    else { /* no memory now */
      hq_notes_answer(a, n->held, NULL);
      return;
    }
}

/* Under the lock: what was under way is through. */
static void forget_sent(hq_notes *n) {
  for (const note *one = n->sent; one; one = one->next) n->pending -= one->n;
  free_list(n->sent);
  n->sent = NULL;
  n->number = -n->number;
}

/* Under the lock: the server has another opinion of the run. */
static void forget_all(hq_notes *n) {
  free_list(n->first);
  n->first = NULL;
  n->last = &n->first;
  n->pending = 0;
  n->has_progress = false;
  n->refused = true;
}

void hq_notes_answer(heroq_actor *a, hq_held *h, const hq_reply *r) {
  hq_notes *n = h->notes;
  heroq_error err;
  heroq_status code = r ? hq_reply_to_error(r, h->job_key, &err) : HEROQ_OK;
  bool again = !r || (code && err.flags & HEROQ_RETRYABLE);
  if (code) {
    hq_client_event(a->client, HQ_WARNING, code, "log, stream or progress: %s", err.text);
    if (again) hq_engine_hold(a, r);
  }
  pthread_mutex_lock(&a->lock);
  if (!again) {
    forget_sent(n);
    if (!code && hq_reply_int(r, 0) != 1) forget_all(n);
  }
  bool pending = hq_notes_pending(h);
  if (pending) list(a, n);
  hq_waitq_wake_all(&a->noters);
  pthread_mutex_unlock(&a->lock);
  if (!pending && h->settle_waits) {
    h->settle_waits = false;
    hq_settle_begin(a, h);
  }
  hq_held_unref(h);
}

void hq_notes_end(heroq_actor *a) {
  for (;;) {
    pthread_mutex_lock(&a->lock);
    hq_notes *n = a->noted;
    if (n) a->noted = n->next;
    hq_waitq_wake_all(&a->noters);
    pthread_mutex_unlock(&a->lock);
    if (!n) return;
    hq_held_unref(n->held);
  }
}
