/* The queue as people handle it: listings, pages, pause, dead letters, tending. */
#include <heroq/queue.h>

#include "clock.h"
#include "delivery.h"
#include "inspect.h"
#include "keys_private.h"
#include "record_private.h"
#include "tend.h"
#include "wait.h"
#include <stdlib.h>
#include <string.h>

struct heroq_queue {
  hq_life life;
  heroq_client *client;
  hq_child child;
  hq_qkeys keys;
};

/* ---- life ---- */

static void queue_ref(void *self) { hq_life_ref(&((heroq_queue *)self)->life); }

static void queue_unref(void *self) {
  heroq_queue *q = self;
  if (!hq_life_unref(&q->life)) return;
  hq_client_unref(q->client);
  hq_qkeys_free(&q->keys);
  free(q);
}

static void queue_close(void *self) {
  heroq_queue *q = self;
  if (!atomic_exchange(&q->life.closed, 1)) hq_client_disown(q->client, &q->child);
}

static heroq_status check_part(const char *what, const char *name, heroq_error *err) {
  heroq_error why;
  if (!name || !*name || !heroq_key_check_name(name, &why)) return HEROQ_OK;
  return hq_fail(err, HEROQ_E_INVALID, "%s: %s", what, why.text);
}

heroq_status heroq_queue_open(heroq_client *client, const char *script_type, const char *group, const char *instance,
                              heroq_queue **out, heroq_error *err) {
  heroq_bytes *key;
  if (!out) return hq_fail(err, HEROQ_E_INVALID, "heroq_queue_open: out is NULL");
  *out = NULL;
  heroq_status status = hq_client_enter(client, err);
  if (!status) status = check_part("group", group, err);
  if (!status) status = check_part("instance", instance, err);
  if (!status) status = heroq_key_actor_queue(script_type, group, instance, &key, err);
  if (status) return status;
  heroq_queue *q = calloc(1, sizeof *q);
  bool ok = q && hq_qkeys_init(&q->keys, heroq_bytes_data(key));
  heroq_bytes_free(key);
  if (!ok) {
    free(q);
    return hq_fail_nomem(err);
  }
  hq_life_init(&q->life);
  q->client = client;
  q->child = (hq_child){.close = queue_close, .ref = queue_ref, .unref = queue_unref, .self = q};
  status = hq_client_adopt(client, &q->child, err);
  if (status) {
    hq_qkeys_free(&q->keys);
    free(q);
    return status;
  }
  *out = q;
  return hq_ok(err);
}

void heroq_queue_close(heroq_queue *self) {
  if (self && !hq_life_forked(&self->life)) queue_close(self);
}

void heroq_queue_free(heroq_queue *self) {
  if (!self) return;
  heroq_queue_close(self);
  queue_unref(self);
}

const char *heroq_queue_key(const heroq_queue *self) { return self ? self->keys.key[HQ_Q].p : ""; }

static heroq_status enter(heroq_queue *q, heroq_error *err) {
  heroq_status status = hq_life_enter(q ? &q->life : NULL, "queue", err);
  return status ? status : hq_client_enter(q->client, err);
}

/* ---- listings ---- */

static void add_numbers(heroq_record *r, const hq_numbers *n) {
  hq_record_add_int(r, "waiting", n->waiting);
  hq_record_add_int(r, "handoff", n->handoff);
  hq_record_add_int(r, "in_flight", n->in_flight);
  hq_record_add_int(r, "delayed", n->delayed);
  hq_record_add_int(r, "dead", n->dead);
  hq_record_add_int(r, "paused", n->paused);
  hq_record_add_int(r, "actors", n->actors);
  hq_record_add_int(r, "oldest", n->oldest);
  hq_record_add_int(r, "waiting_since", n->waiting_since);
  hq_record_add_int(r, "next_due", n->next_due);
  hq_record_add_int(r, "oldest_lease", n->oldest_lease);
  hq_record_add_int(r, "last_reap", n->last_reap);
  hq_record_add_int(r, "now", n->now);
  hq_recent_record(r, &n->recent);
}

static void add_queue(heroq_record *rows, const char *key, const hq_numbers *n) {
  hq_slice type, group, instance;
  heroq_record *row = hq_record_new();
  hq_key_queue_parts(hq_slice_of(key), &type, &group, &instance);
  hq_record_add_text(row, "queue", key);
  hq_record_add_slice(row, "script_type", type);
  hq_record_add_slice(row, "group", group.p ? group : hq_slice_of(""));
  hq_record_add_slice(row, "instance", instance.p ? instance : hq_slice_of(""));
  add_numbers(row, n);
  hq_record_add_int(row, "wrong_type", n->wrong_type);
  hq_record_add_child(rows, "", row);
}

static const int page_options[] = {HQ_OPT_COUNT, -1},
                 timed_page_options[] = {HQ_OPT_COUNT, HQ_OPT_OLDER, HQ_OPT_NEWER, -1};

/* When there is no queue nobody has asked for it yet. */
static heroq_status page_time(const hq_errand *e, uint32_t n, const hq_numbers *numbers, int64_t *now,
                              heroq_error *err) {
  if (n) {
    *now = numbers[0].now;
    return HEROQ_OK;
  }
  hq_batch b;
  hq_batch_init(&b);
  heroq_status status = hq_server_now(e, &b, now, err);
  hq_batch_free(&b);
  return status;
}

heroq_status heroq_queue_list(heroq_client *client, const heroq_options *options, heroq_record **out, heroq_call *call,
                              heroq_error *err) {
  hq_names names = {0};
  hq_numbers *numbers = NULL;
  bool whole = false;
  int64_t now = 0;
  if (!out) return hq_fail(err, HEROQ_E_INVALID, "heroq_queue_list: out is NULL");
  *out = NULL;
  heroq_status status = hq_client_enter(client, err);
  if (status == HEROQ_OK) status = hq_options_only(options, "a page", page_options, err);
  if (status) return status;
  hq_errand e = hq_errand_of(client, call);
  status = hq_find_queues(&e, &names, &whole, err);
  uint32_t n = names.n;
  if (hq_option_is_set(options, HQ_OPT_COUNT) && n > (uint32_t)hq_option_int(options, HQ_OPT_COUNT))
    n = (uint32_t)hq_option_int(options, HQ_OPT_COUNT);
  if (!status && !(numbers = calloc(n + 1, sizeof *numbers))) status = hq_fail_nomem(err);
  if (!status) status = hq_count_queues(&e, names.name, n, numbers, err);
  if (!status) status = page_time(&e, n, numbers, &now, err);
  if (!status) {
    heroq_record *page = hq_record_new(), *rows = hq_record_list();
    for (uint32_t i = 0; i < n; i++) add_queue(rows, names.name[i], &numbers[i]);
    hq_record_add_child(page, "rows", rows);
    hq_record_add_text(page, "cursor", "0");
    hq_record_add_int(page, "total", names.n);
    hq_record_add_int(page, "complete", whole);
    hq_record_add_int(page, "now", now);
    status = hq_record_finish(page, out, err);
  }
  free(numbers);
  hq_names_free(&names);
  return status;
}

heroq_status heroq_queue_stats(heroq_queue *self, heroq_record **out, heroq_call *call, heroq_error *err) {
  hq_numbers numbers;
  if (!out) return hq_fail(err, HEROQ_E_INVALID, "heroq_queue_stats: out is NULL");
  *out = NULL;
  heroq_status status = enter(self, err);
  if (status) return status;
  hq_errand e = hq_errand_of(self->client, call);
  char *key = (char *)self->keys.key[HQ_Q].p;
  status = hq_count_queues(&e, &key, 1, &numbers, err);
  if (status) return status;
  if (numbers.wrong_type) return hq_fail(err, HEROQ_E_WRONG_TYPE, "%s is not a list", key);
  heroq_record *r = hq_record_new();
  hq_record_add_text(r, "queue", key);
  add_numbers(r, &numbers);
  return hq_record_finish(r, out, err);
}

heroq_status heroq_queue_counters(heroq_queue *self, const heroq_options *options, heroq_record **out, heroq_call *call,
                                  heroq_error *err) {
  static const int allowed[] = {HQ_OPT_NEWER, -1};
  int64_t now, newer = hq_option_int(options, HQ_OPT_NEWER);
  hq_batch b;
  if (!out) return hq_fail(err, HEROQ_E_INVALID, "heroq_queue_counters: out is NULL");
  *out = NULL;
  heroq_status status = enter(self, err);
  if (status == HEROQ_OK) status = hq_options_only(options, "counters", allowed, err);
  if (status) return status;
  int64_t minutes = newer ? (newer + HQ_MINUTE_MS - 1) / HQ_MINUTE_MS : HQ_TIMES_KEPT;
  uint32_t counts = (uint32_t)(minutes < HQ_COUNTS_KEPT ? minutes : HQ_COUNTS_KEPT);
  uint32_t times = counts < HQ_TIMES_KEPT ? counts : HQ_TIMES_KEPT;
  hq_errand e = hq_errand_of(self->client, call);
  hq_batch_init(&b);
  status = hq_server_now(&e, &b, &now, err);
  hq_batch_reset(&b);
  hq_put_minutes(&b, &self->keys, now, counts, times);
  if (!status) status = hq_errand_all(&e, &b, self->keys.key[HQ_Q_MINUTES].p, err);
  if (!status) status = hq_minutes_record(hq_batch_reply(&b, 0), now, counts, times, out, err);
  hq_batch_free(&b);
  return status;
}

/* ---- pages ---- */

static const struct view {
  const char *what;
  int key;           /* where the ids are */
  const char *order; /* the command that lists them */
  bool scores;
  int beside; /* where a text about each id is: a hash, or the actors' own keys; -1 = nowhere */
  const char *beside_name;
  bool past; /* the times are of the past: what is older or newer may be asked for */
} views[] = {
    {"waiting", HQ_Q, "LRANGE", false, -1, NULL, false},
    {"in_flight", HQ_Q_LEASES, "ZRANGE", true, HQ_Q_HOLDERS, "holder", false},
    {"delayed", HQ_Q_DELAYED, "ZRANGE", true, -1, NULL, false},
    {"dead", HQ_Q_DEAD, "ZRANGE", true, HQ_Q_REASONS, "reason", true},
    {"finished", HQ_Q_FINISHED, "ZRANGE", true, -1, NULL, true},
    {"failed", HQ_Q_FAILED, "ZRANGE", true, -1, NULL, true},
    {"actors", HQ_Q_ACTORS, "ZREVRANGE", true, HQ_Q_ACTORS, "info", false},
};

static const struct view *find_view(const char *what) {
  for (size_t i = 0; what && i < sizeof views / sizeof *views; i++)
    if (!strcmp(what, views[i].what)) return &views[i];
  return NULL;
}

/* What is next to be taken is at the right end of the list, so the page is read from there. */
static void put_page(hq_batch *b, const heroq_queue *q, const struct view *v, int64_t from, int64_t count) {
  bool list = !v->scores;
  hq_batch_begin(b, v->scores ? 5 : 4, -1);
  hq_batch_text_arg(b, v->order);
  hq_batch_slice(b, q->keys.key[v->key]);
  hq_batch_int(b, list ? -from - count : from);
  hq_batch_int(b, list ? -from - 1 : from + count - 1);
  if (v->scores) hq_batch_text_arg(b, "WITHSCORES");
}

/* The newest first, by this machine's clock. */
static void put_past(hq_batch *b, const heroq_queue *q, const struct view *v, const heroq_options *o, int64_t from,
                     int64_t count) {
  int64_t now = hq_wall_ms(), older = hq_option_int(o, HQ_OPT_OLDER), newer = hq_option_int(o, HQ_OPT_NEWER);
  hq_batch_begin(b, 10, -1);
  hq_batch_text_arg(b, v->order);
  hq_batch_slice(b, q->keys.key[v->key]);
  older ? hq_batch_int(b, now - older) : hq_batch_text_arg(b, "+inf");
  newer ? hq_batch_int(b, now - newer) : hq_batch_text_arg(b, "-inf");
  hq_batch_text_arg(b, "BYSCORE");
  hq_batch_text_arg(b, "REV");
  hq_batch_text_arg(b, "LIMIT");
  hq_batch_int(b, from);
  hq_batch_int(b, count);
  hq_batch_text_arg(b, "WITHSCORES");
}

static hq_slice page_id(const hq_reply *page, const struct view *v, uint32_t i) {
  uint32_t n = hq_reply_count(page);
  return hq_reply_str(hq_reply_at(page, v->scores ? i * 2 : n - 1 - i));
}

/* {Q}:actor:<actor> beside {Q}:actors. */
static void put_actors(hq_batch *b, const heroq_queue *q, const struct view *v, const hq_reply *page, uint32_t n) {
  hq_slice actors = q->keys.key[HQ_Q_ACTORS];
  hq_batch_begin(b, n + 1, -1);
  hq_batch_text_arg(b, "MGET");
  for (uint32_t i = 0; i < n; i++) {
    hq_buf key = {0};
    hq_slice id = page_id(page, v, i);
    hq_buf_add(&key, actors.p, actors.n - 1);
    hq_buf_char(&key, ':');
    hq_buf_add(&key, id.p, id.n);
    hq_batch_text_arg(b, hq_buf_cstr(&key));
    hq_buf_free(&key);
  }
}

static void put_hash(hq_batch *b, const heroq_queue *q, const struct view *v, const hq_reply *page, uint32_t n) {
  hq_batch_begin(b, n + 2, -1);
  hq_batch_text_arg(b, "HMGET");
  hq_batch_slice(b, q->keys.key[v->beside]);
  for (uint32_t i = 0; i < n; i++) hq_batch_slice(b, page_id(page, v, i));
}

static heroq_status read_beside(const hq_errand *e, const heroq_queue *q, const struct view *v, const hq_reply *page,
                                uint32_t n, hq_batch *b, heroq_error *err) {
  if (v->beside < 0 || !n) return HEROQ_OK;
  (v->beside == HQ_Q_ACTORS ? put_actors : put_hash)(b, q, v, page, n);
  return hq_errand_all(e, b, q->keys.key[v->beside].p, err);
}

static heroq_status make_page(const struct view *v, const hq_reply *page, const hq_reply *beside, uint32_t n,
                              int64_t next, heroq_record **out, heroq_error *err) {
  heroq_record *rows = hq_record_list(), *r = hq_record_new();
  hq_buf cursor = {0};
  for (uint32_t i = 0; i < n; i++) {
    heroq_record *row = hq_record_new();
    hq_slice text = hq_reply_str(hq_reply_at(beside, i));
    hq_record_add_slice(row, "id", page_id(page, v, i));
    if (v->scores) {
      hq_slice time = hq_reply_str(hq_reply_at(page, i * 2 + 1));
      hq_record_add_int(row, "time", time.n ? (int64_t)strtod(time.p, NULL) : 0);
    }
    if (v->beside >= 0) hq_record_add_slice(row, v->beside_name, text.p ? text : hq_slice_of(""));
    hq_record_add_child(rows, "", row);
  }
  hq_buf_int(&cursor, next);
  hq_record_add_child(r, "rows", rows);
  hq_record_add_text(r, "cursor", hq_buf_cstr(&cursor));
  hq_buf_free(&cursor);
  return hq_record_finish(r, out, err);
}

heroq_status heroq_queue_page(heroq_queue *self, const char *what, const char *cursor, const heroq_options *options,
                              heroq_record **out, heroq_call *call, heroq_error *err) {
  const struct view *v = find_view(what);
  int64_t from = 0, count = hq_option_int(options, HQ_OPT_COUNT);
  hq_batch b, beside;
  if (!out) return hq_fail(err, HEROQ_E_INVALID, "heroq_queue_page: out is NULL");
  *out = NULL;
  heroq_status status = enter(self, err);
  if (status) return status;
  if (!v)
    return hq_fail(err, HEROQ_E_INVALID,
                   "no page \"%s\": there are waiting, in_flight, delayed, dead, finished, failed, actors",
                   what ? what : "");
  status = hq_options_only(options, "a page", v->past ? timed_page_options : page_options, err);
  if (status) return status;
  if (cursor && *cursor && (!hq_slice_to_int64(hq_slice_of(cursor), &from) || from < 0 || from > INT32_MAX))
    return hq_fail(err, HEROQ_E_INVALID, "\"%s\" is not a cursor of this page", cursor);
  hq_errand e = hq_errand_of(self->client, call);
  hq_batch_init(&b);
  hq_batch_init(&beside);
  if (v->past)
    put_past(&b, self, v, options, from, count);
  else
    put_page(&b, self, v, from, count);
  status = hq_errand_all(&e, &b, self->keys.key[v->key].p, err);
  const hq_reply *page = hq_batch_reply(&b, 0);
  uint32_t n = v->scores ? hq_reply_count(page) / 2 : hq_reply_count(page);
  if (!status) status = read_beside(&e, self, v, page, n, &beside, err);
  if (!status) status = make_page(v, page, hq_batch_reply(&beside, 0), n, n < count ? 0 : from + n, out, err);
  hq_batch_free(&beside);
  hq_batch_free(&b);
  return status;
}

/* ---- what changes something ---- */

heroq_status heroq_queue_pause(heroq_queue *self, heroq_call *call, heroq_error *err) {
  hq_batch b;
  heroq_status status = enter(self, err);
  if (status) return status;
  hq_errand e = hq_errand_of(self->client, call);
  hq_batch_init(&b);
  hq_batch_words(&b, "HSET", self->keys.key[HQ_Q_META].p, "paused", "1", NULL);
  hq_put_register(&b, self->keys.key[HQ_Q],
                  hq_wall_ms()); /* so that a paused queue is listed, even if nobody used it */
  status = hq_errand_all(&e, &b, self->keys.key[HQ_Q_META].p, err);
  hq_batch_free(&b);
  return status ? status : hq_ok(err);
}

heroq_status heroq_queue_resume(heroq_queue *self, heroq_call *call, heroq_error *err) {
  hq_batch b;
  heroq_status status = enter(self, err);
  if (status) return status;
  hq_errand e = hq_errand_of(self->client, call);
  hq_batch_init(&b);
  hq_batch_words(&b, "HDEL", self->keys.key[HQ_Q_META].p, "paused", NULL);
  status = hq_errand_all(&e, &b, self->keys.key[HQ_Q_META].p, err);
  hq_batch_free(&b);
  return status ? status : hq_ok(err);
}

/* The reason first: where only that goes, the id is still listed, and the next purge takes it. */
static heroq_status purge_ids(const hq_errand *e, const heroq_queue *q, const hq_slice *id, uint32_t n,
                              int64_t *removed, heroq_error *err) {
  hq_batch b;
  hq_batch_init(&b);
  hq_batch_begin(&b, n + 2, -1);
  hq_batch_text_arg(&b, "HDEL");
  hq_batch_slice(&b, q->keys.key[HQ_Q_REASONS]);
  for (uint32_t i = 0; i < n; i++) hq_batch_slice(&b, id[i]);
  hq_batch_begin(&b, n + 2, -1);
  hq_batch_text_arg(&b, "ZREM");
  hq_batch_slice(&b, q->keys.key[HQ_Q_DEAD]);
  for (uint32_t i = 0; i < n; i++) hq_batch_slice(&b, id[i]);
  heroq_status status = hq_errand_all(e, &b, q->keys.key[HQ_Q_DEAD].p, err);
  if (!status) *removed += hq_reply_int(hq_batch_reply(&b, 1), 0);
  hq_batch_free(&b);
  return status;
}

/* In pieces, and only those that stood there at the beginning: what is buried meanwhile stays. */
static heroq_status purge_all(const hq_errand *e, const heroq_queue *q, int64_t *removed, heroq_error *err) {
  enum { PIECE = 256 };
  hq_slice id[PIECE];
  hq_batch b;
  uint32_t n = PIECE;
  int64_t began = 0;
  heroq_status status = HEROQ_OK;
  hq_batch_init(&b);
  while (n == PIECE && !status) {
    hq_batch_reset(&b);
    hq_batch_words(&b, "TIME", NULL);
    hq_batch_begin(&b, 7, -1);
    hq_batch_text_arg(&b, "ZRANGEBYSCORE");
    hq_batch_slice(&b, q->keys.key[HQ_Q_DEAD]);
    hq_batch_text_arg(&b, "-inf");
    if (began)
      hq_batch_int(&b, began);
    else
      hq_batch_text_arg(&b, "+inf");
    hq_batch_text_arg(&b, "LIMIT");
    hq_batch_int(&b, 0);
    hq_batch_int(&b, PIECE);
    status = hq_errand_all(e, &b, q->keys.key[HQ_Q_DEAD].p, err);
    if (!began) began = hq_reply_int(hq_reply_at(hq_batch_reply(&b, 0), 0), 0) * 1000 + 999;
    const hq_reply *ids = hq_batch_reply(&b, 1);
    n = hq_reply_count(ids);
    for (uint32_t i = 0; i < n; i++) id[i] = hq_reply_str(hq_reply_at(ids, i));
    if (n && !status) status = purge_ids(e, q, id, n, removed, err);
  }
  hq_batch_free(&b);
  return status;
}

heroq_status heroq_queue_purge_dead(heroq_queue *self, const char *job_id, int64_t *removed, heroq_call *call,
                                    heroq_error *err) {
  int64_t count = 0;
  if (removed) *removed = 0;
  heroq_status status = enter(self, err);
  if (status) return status;
  if (job_id && !hq_wire_id_ok(hq_slice_of(job_id)))
    return hq_fail(err, HEROQ_E_INVALID, "\"%s\" is not a job id", job_id);
  hq_errand e = hq_errand_of(self->client, call);
  hq_slice id = hq_slice_of(job_id);
  status = job_id ? purge_ids(&e, self, &id, 1, &count, err) : purge_all(&e, self, &count, err);
  if (removed) *removed = count;
  return status ? status : hq_ok(err);
}

heroq_status heroq_queue_tend(heroq_queue *self, heroq_record **out, heroq_call *call, heroq_error *err) {
  hq_tended done;
  if (out) *out = NULL;
  heroq_status status = enter(self, err);
  if (status) return status;
  status = hq_tend_queue(self->client, self->keys.key[HQ_Q].p, hq_wait_deadline(HEROQ_FOREVER, call), call, &done, err);
  if (status || !out) return status;
  heroq_record *r = hq_record_new();
  hq_record_add_int(r, "promoted", done.promoted);
  hq_record_add_int(r, "returned", done.returned);
  hq_record_add_int(r, "lost", done.lost);
  hq_record_add_int(r, "next_due", done.next_due);
  return hq_record_finish(r, out, err);
}
