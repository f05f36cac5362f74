/* The doctor's checks of queues: which there are, is anybody there, do the right jobs wait in them. */
#include "clock.h"
#include "doctor_private.h"
#include "errors.h"
#include "keys_private.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  SEARCH = 2000,      /* ms that foreign queues may be searched for */
  MANY = 10000,       /* queues that are enough */
  UNCONSUMED = 5000,  /* ms that a job may wait before somebody should have come */
  SECOND_LOOK = 300,  /* ms between the two looks */
  SAMPLE = 50,        /* ids looked at from each end of a queue, at most */
  LEAST = 5,          /* and at least, where there are many queues */
  SAMPLES = 2000,     /* of all queues, about */
  LOOKED_AT = 1000,   /* queues whose ids are looked at */
  FRESH = 86400000,   /* ms that dead letters are news */
  DEAD_QUEUES = 1000, /* queues whose dead letters are counted */
};

static hq_slice type_of(const char *queue_key) {
  hq_slice type = HQ_SLICE_NONE, group, instance;
  hq_key_queue_parts(hq_slice_of(queue_key), &type, &group, &instance);
  return type;
}

/* ---- which there are ---- */

/* What stands beside a queue (c/PROTOCOL.md 2.1). */
static const struct beside {
  int key;
  const char *type;
} besides[] = {{HQ_Q_HANDOFF, "list"},    {HQ_Q_SEEN, "zset"},    {HQ_Q_LEASES, "zset"}, {HQ_Q_HOLDERS, "hash"},
               {HQ_Q_RECOVERIES, "hash"}, {HQ_Q_MISSING, "hash"}, {HQ_Q_STOPS, "zset"},  {HQ_Q_DELAYED, "zset"},
               {HQ_Q_DEAD, "zset"},       {HQ_Q_REASONS, "hash"}, {HQ_Q_META, "hash"}};
enum { BESIDES = sizeof besides / sizeof *besides };

static void add_wrong_type(hq_doctor *d, const char *key, hq_slice is, const char *should_be) {
  char found[80], mend[520], word[320];
  snprintf(found, sizeof found, "the key is a %.*s, not a %s", (int)(is.n < 30 ? is.n : 30), is.p, should_be);
  snprintf(mend, sizeof mend, "redis-cli RENAME %s <another name>", hq_doctor_word(key, word));
  hq_doctor_add(d, HQ_FOUND_KEY_WRONG_TYPE, key, found, mend);
}

/* A queue with such a key is left out by the checks that read it. */
static heroq_status look_beside(hq_doctor *d, uint32_t i, hq_batch *b, heroq_error *err) {
  hq_qkeys q;
  if (!hq_qkeys_init(&q, d->queues.name[i])) return hq_fail_nomem(err);
  hq_batch_reset(b);
  for (int k = 0; k < BESIDES; k++) hq_batch_words(b, "TYPE", q.key[besides[k].key].p, NULL);
  heroq_status status = hq_errand_all(&d->errand, b, d->queues.name[i], err);
  for (uint32_t k = 0; k < BESIDES && !status; k++) {
    hq_slice type = hq_reply_str(hq_batch_reply(b, k));
    if (hq_slice_is(type, "none") || hq_slice_is(type, besides[k].type)) continue;
    d->numbers[i].wrong_type = true;
    add_wrong_type(d, q.key[besides[k].key].p, type, besides[k].type);
  }
  hq_qkeys_free(&q);
  return status;
}

heroq_status hq_check_queues(hq_doctor *d, heroq_error *err) {
  bool whole = false;
  heroq_status status = HEROQ_OK;
  /* Each call searches a part, and goes on where the last one ended. */
  for (int64_t end = hq_mono_ms() + SEARCH; !status && !whole && d->queues.n < MANY && hq_mono_ms() < end;) {
    hq_names_free(&d->queues);
    status = hq_find_queues(&d->errand, &d->queues, &whole, err);
  }
  if (status) return status;
  hq_numbers *numbers = calloc(d->queues.n + 1, sizeof *numbers);
  if (!numbers) return hq_fail_nomem(err);
  status = hq_count_queues(&d->errand, d->queues.name, d->queues.n, numbers, err);
  if (status) {
    free(numbers);
    return status;
  }
  d->numbers = numbers;
  for (uint32_t i = 0; i < d->queues.n; i++) {
    char mend[400];
    if (!numbers[i].wrong_type) continue;
    snprintf(mend, sizeof mend, "redis-cli RENAME %.300s <another name>", d->queues.name[i]);
    hq_doctor_add(d, HQ_FOUND_QUEUE_WRONG_TYPE, d->queues.name[i], "the key is not a list", mend);
  }
  if (!whole)
    hq_doctor_add(d, HQ_FOUND_TOO_MANY_KEYS, "SCAN", "there are too many keys to look at all of them",
                  "redis-cli --scan --pattern 'hero:q:work:*'");
  hq_batch b;
  hq_batch_init(&b);
  for (uint32_t i = 0; i < d->queues.n && i < LOOKED_AT && !status; i++) status = look_beside(d, i, &b, err);
  hq_batch_free(&b);
  return status;
}

/* ---- paused ---- */

heroq_status hq_check_paused(hq_doctor *d, heroq_error *err) {
  (void)err;
  for (uint32_t i = 0; i < d->queues.n; i++) {
    char mend[400];
    if (!d->numbers[i].paused) continue;
    snprintf(mend, sizeof mend, "redis-cli HDEL '{%.300s}:meta' paused", d->queues.name[i]);
    hq_doctor_add(d, HQ_FOUND_PAUSED, d->queues.name[i], "the queue is paused", mend);
  }
  return HEROQ_OK;
}

/* ---- nothing consumes ---- */

/* No actor is there, or those that are there hold nothing: connected, but starved. */
static bool looks_unconsumed(const hq_numbers *n) {
  bool waits_long = n->oldest ? n->now - n->oldest > UNCONSUMED : !n->actors;
  return n->waiting > 0 && (!n->actors || !n->in_flight) && !n->paused && waits_long;
}

/* "osis, sal": where actors are, so that a wrong type is seen at a glance. */
static void list_manned(const hq_doctor *d, hq_buf *out) {
  for (uint32_t i = 0; i < d->queues.n && out->n < 200; i++) {
    if (!d->numbers[i].actors) continue;
    hq_slice type = type_of(d->queues.name[i]);
    if (out->n) hq_buf_text(out, ", ");
    hq_buf_add(out, type.p, type.n);
  }
}

/* ", and db1 has keys too": an actor may be connected to the wrong one. */
static void list_databases(const hq_doctor *d, hq_buf *out) {
  enum { DATABASES = 16 };
  for (int i = 0; i < DATABASES; i++) {
    char name[16];
    snprintf(name, sizeof name, "db%d", i);
    if (i == hq_client_endpoint(d->errand.client, hq_slice_of(""))->db || !hq_info_value(d->info, name).p) continue;
    hq_buf_text(out, out->n ? ", " : "; keys are also in ");
    hq_buf_text(out, name);
  }
}

static void add_unconsumed(hq_doctor *d, uint32_t i, const hq_numbers *n) {
  char found[500], mend[300], span[24];
  hq_buf manned = {0}, others = {0};
  int at = snprintf(found, sizeof found, "%lld waiting", (long long)n->waiting);
  if (n->oldest)
    at += snprintf(found + at, sizeof found - (size_t)at, ", the oldest made %s ago",
                   hq_doctor_span(n->now - n->oldest, span));
  if (n->actors) {
    snprintf(found + at, sizeof found - (size_t)at, ", actors that listen: %lld, and they take nothing",
             (long long)n->actors);
    hq_doctor_add(d, HQ_FOUND_STARVED, d->queues.name[i], found, "heroq actors, and the log where they run");
    return;
  }
  list_manned(d, &manned);
  list_databases(d, &others);
  snprintf(found + at, sizeof found - (size_t)at, ", no actor of heroq listens (actors are on: %.250s%s)",
           manned.n ? hq_buf_cstr(&manned) : "no queue", hq_buf_cstr(&others));
  hq_doctor_mend_by_actor(mend, sizeof mend, d->queues.name[i]);
  hq_doctor_add(d, HQ_FOUND_NO_ACTOR, d->queues.name[i], found, mend);
  hq_buf_free(&others);
  hq_buf_free(&manned);
}

heroq_status hq_check_consumers(hq_doctor *d, heroq_error *err) {
  bool any = false;
  for (uint32_t i = 0; i < d->queues.n; i++) any = any || looks_unconsumed(&d->numbers[i]);
  if (!any) return HEROQ_OK;
  hq_numbers *later = calloc(d->queues.n, sizeof *later);
  if (!later) return hq_fail_nomem(err);
  heroq_status status = hq_doctor_pause(d, SECOND_LOOK, err);
  if (!status) status = hq_count_queues(&d->errand, d->queues.name, d->queues.n, later, err);
  for (uint32_t i = 0; i < d->queues.n && !status; i++) {
    bool moves = later[i].waiting < d->numbers[i].waiting || later[i].oldest != d->numbers[i].oldest;
    if (looks_unconsumed(&d->numbers[i]) && looks_unconsumed(&later[i]) && !moves) /* else somebody takes */
      add_unconsumed(d, i, &later[i]);
  }
  free(later);
  return status;
}

/* ---- types mixed up, ids without hash ---- */

typedef struct mixed {
  uint32_t looked, strange, gone;
  char id[257], type[129], gone_id[257];
} mixed;

static void look_at_job(mixed *m, hq_slice want, hq_slice id, const hq_reply *job) {
  hq_slice type = hq_reply_str(hq_reply_at(job, 2));
  m->looked++;
  if (hq_reply_is_error(job, NULL)) return;
  if (!hq_reply_str(hq_reply_at(job, 0)).p && !hq_reply_str(hq_reply_at(job, 1)).p) {
    if (!m->gone++) hq_doctor_copy(m->gone_id, sizeof m->gone_id, id);
  } else if (type.n && (type.n != want.n || memcmp(type.p, want.p, want.n) != 0)) {
    if (m->strange++) return;
    hq_doctor_copy(m->id, sizeof m->id, id);
    hq_doctor_copy(m->type, sizeof m->type, type);
  }
}

static int sample_of(const hq_doctor *d) {
  int each = (int)(SAMPLES / (d->queues.n + 1));
  return each > SAMPLE ? SAMPLE : each < LEAST ? LEAST : each;
}

static heroq_status look_at_types(hq_doctor *d, uint32_t i, mixed *m, heroq_error *err) {
  int sample = sample_of(d);
  hq_slice want = type_of(d->queues.name[i]);
  hq_batch ids, jobs;
  char first[24];
  *m = (mixed){0};
  hq_batch_init(&ids);
  hq_batch_init(&jobs);
  snprintf(first, sizeof first, "%d", -sample);
  hq_batch_words(&ids, "LRANGE", d->queues.name[i], first, "-1", NULL);
  snprintf(first, sizeof first, "%d", sample - 1);
  hq_batch_words(&ids, "LRANGE", d->queues.name[i], "0", d->numbers[i].waiting > sample ? first : "-1", NULL);
  heroq_status status = hq_errand_all(&d->errand, &ids, d->queues.name[i], err);
  uint32_t ends = d->numbers[i].waiting > sample ? 2 : 1;
  for (uint32_t e = 0; e < ends && !status; e++) {
    const hq_reply *list = hq_batch_reply(&ids, e);
    for (uint32_t k = 0; k < hq_reply_count(list); k++) {
      hq_buf key = {0};
      hq_key_job(&key, hq_reply_str(hq_reply_at(list, k)));
      hq_batch_words(&jobs, "HMGET", hq_buf_cstr(&key), "script", "status", "script_type", NULL);
      hq_buf_free(&key);
    }
  }
  if (!status && jobs.count) status = hq_errand_run(&d->errand, &jobs, err);
  for (uint32_t e = 0, at = 0; e < ends && !status; e++) {
    const hq_reply *list = hq_batch_reply(&ids, e);
    for (uint32_t k = 0; k < hq_reply_count(list); k++, at++)
      look_at_job(m, want, hq_reply_str(hq_reply_at(list, k)), hq_batch_reply(&jobs, at));
  }
  hq_batch_free(&jobs);
  hq_batch_free(&ids);
  return status;
}

static void add_mixed(hq_doctor *d, uint32_t i, const mixed *m) {
  char found[900], mend[1200], word[320];
  const char *queue = d->queues.name[i];
  if (m->strange) {
    snprintf(found, sizeof found, "%u of %u jobs looked at are of another script type, such as %s of type %s",
             m->strange, m->looked, m->id, m->type);
    const char *type = hq_name_ok(hq_slice_of(m->type)) ? m->type : "<script_type>";
    hq_doctor_word(m->id, word);
    snprintf(mend, sizeof mend, "redis-cli LREM %.200s 0 %s; redis-cli LPUSH " HQ_WORK_PREFIX "%s %s", queue, word,
             type, word);
    hq_doctor_add(d, HQ_FOUND_MIXED_TYPES, queue, found, mend);
  }
  if (m->gone) {
    snprintf(found, sizeof found, "%u of %u ids looked at have no job hash, such as %s", m->gone, m->looked,
             m->gone_id);
    snprintf(mend, sizeof mend, "redis-cli LREM %.200s 0 %s", queue, hq_doctor_word(m->gone_id, word));
    hq_doctor_add(d, HQ_FOUND_NO_HASH, queue, found, mend);
  }
}

heroq_status hq_check_script_types(hq_doctor *d, heroq_error *err) {
  uint32_t n = d->queues.n < LOOKED_AT ? d->queues.n : LOOKED_AT;
  mixed *m = calloc(n + 1, sizeof *m);
  bool gone = false;
  heroq_status status = m ? HEROQ_OK : hq_fail_nomem(err);
  for (uint32_t i = 0; i < n && !status; i++) {
    if (d->numbers[i].waiting) status = look_at_types(d, i, &m[i], err);
    gone = gone || m[i].gone;
  }
  /* a foreign producer may push first and store a moment later */
  if (!status && gone) status = hq_doctor_pause(d, SECOND_LOOK, err);
  for (uint32_t i = 0; i < n && !status; i++) {
    if (m[i].gone) status = look_at_types(d, i, &m[i], err);
    if (!status) add_mixed(d, i, &m[i]);
  }
  free(m);
  return status;
}

/* ---- dead letters ---- */

heroq_status hq_check_dead(hq_doctor *d, heroq_error *err) {
  hq_batch b;
  char since[24], found[160], mend[500];
  uint32_t asked[DEAD_QUEUES], n = 0;
  hq_batch_init(&b);
  for (uint32_t i = 0; i < d->queues.n && n < DEAD_QUEUES; i++) {
    hq_qkeys q;
    if (!d->numbers[i].dead) continue;
    if (!hq_qkeys_init(&q, d->queues.name[i])) {
      hq_batch_free(&b);
      return hq_fail_nomem(err);
    }
    snprintf(since, sizeof since, "%lld", (long long)(d->numbers[i].now - FRESH));
    hq_batch_words(&b, "ZCOUNT", q.key[HQ_Q_DEAD].p, since, "+inf", NULL);
    hq_qkeys_free(&q);
    asked[n++] = i;
  }
  heroq_status status = n ? hq_errand_run(&d->errand, &b, err) : HEROQ_OK;
  for (uint32_t k = 0; k < n && !status; k++) {
    int64_t fresh = hq_reply_int(hq_batch_reply(&b, k), 0);
    if (!fresh) continue;
    snprintf(found, sizeof found, "%lld jobs were given up on in the last 24 h, %lld in all", (long long)fresh,
             (long long)d->numbers[asked[k]].dead);
    snprintf(mend, sizeof mend, "heroq dead %.400s", d->queues.name[asked[k]]);
    hq_doctor_add(d, HQ_FOUND_DEAD_LETTERS, d->queues.name[asked[k]], found, mend);
  }
  hq_batch_free(&b);
  return status;
}
