/* The supervisor on jobs that are there: list, stop, delete, requeue. Each step is acknowledged before the next is sent
 * where PROTOCOL.md's crash tables rest on it. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "clock.h"
#include "errors.h"
#include "job_private.h"
#include "keys_private.h"
#include "record_private.h"
#include "stop.h"
#include "store.h"
#include "supervisor_private.h"

#define TOMBSTONE_MS 86400000
#define MOST_SCANS 16 /* in one page: a filter that fits nothing must not walk the whole key space */

/* ---- list ---- */

static bool digits(const char **p, const char *end, int n, int64_t *out) {
  *out = 0;
  for (int i = 0; i < n; i++, (*p)++) {
    if (*p >= end || !isdigit((unsigned char)**p)) return false;
    *out = *out * 10 + (**p - '0');
  }
  return true;
}

/* RFC 3339 → Unix ms; foreign producers write it with any fraction and any offset. */
static bool parse_time(hq_slice s, int64_t *out) {
  static const char mark[] = "--T::";
  const char *p = s.p, *end = s.p + s.n;
  int64_t v[6], fraction = 0, scale = 100, hours = 0, minutes = 0;
  if (!p) return false;
  for (int i = 0; i < 6; i++) {
    if (!digits(&p, end, i ? 2 : 4, &v[i])) return false;
    if (i < 5 && (p >= end || (*p != mark[i] && !(i == 2 && (*p == ' ' || *p == 't'))))) return false;
    if (i < 5) p++;
  }
  if (p < end && *p == '.')
    for (p++; p < end && isdigit((unsigned char)*p); p++, scale /= 10) fraction += scale * (*p - '0');
  if (p < end && (*p == '+' || *p == '-')) {
    int64_t sign = *p++ == '+' ? 1 : -1;
    if (!digits(&p, end, 2, &hours) || p >= end || *p++ != ':' || !digits(&p, end, 2, &minutes)) return false;
    hours *= sign;
    minutes *= sign;
  }
  if (v[1] < 1 || v[1] > 12) return false;
  int64_t y = v[1] <= 2 ? v[0] - 1 : v[0], m = v[1] <= 2 ? v[1] + 9 : v[1] - 3; /* years that begin in March */
  int64_t days = y * 365 + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + v[2] - 1 - 719468;
  *out = (((days * 24 + v[3] - hours) * 60 + v[4] - minutes) * 60 + v[5]) * 1000 + fraction;
  return true;
}

typedef struct listing {
  heroq_supervisor *self;
  heroq_call *call;
  int64_t count;
  const char *status, *type;
  heroq_record *rows;
  int64_t found;
  char cursor[24];
} listing;

static bool same_text(hq_slice s, const char *text) {
  return s.n == strlen(text) && !strncasecmp(s.p ? s.p : "", text, s.n);
}

/* The three answers to one key: fields, length of script, length of output. */
static void add_row(listing *l, hq_slice id, const hq_batch *b, uint32_t i) {
  const hq_reply *fields = hq_batch_reply(b, i);
  hq_slice status = hq_reply_str(hq_reply_at(fields, 0)), type = hq_reply_str(hq_reply_at(fields, 1));
  if (!fields || fields->type != HQ_ARRAY) return; /* another type than a hash, or gone meanwhile */
  if (*l->status && !same_text(status, l->status)) return;
  if (*l->type && !hq_slice_is(type, l->type)) return;
  int64_t created;
  int state = hq_state_parse(status);
  heroq_record *row = hq_record_new();
  hq_record_add_slice(row, "id", id);
  if (state != HQ_S_UNKNOWN)
    hq_record_add_text(row, "status", hq_state_name(state));
  else
    hq_record_add_slice(row, "status", status.p ? status : hq_slice_of(""));
  hq_record_add_slice(row, "script_type", type.p ? type : hq_slice_of(""));
  if (parse_time(hq_reply_str(hq_reply_at(fields, 2)), &created)) hq_record_add_int(row, "created", created);
  /* a user who may not measure is told 0 */
  hq_record_add_int(row, "size", hq_reply_int(hq_batch_reply(b, i + 1), 0) + hq_reply_int(hq_batch_reply(b, i + 2), 0));
  hq_record_add_child(l->rows, "", row);
  l->found++;
}

static void put_scan(hq_batch *b, const listing *l) {
  hq_batch_begin(b, 8, -1);
  hq_batch_text_arg(b, "SCAN");
  hq_batch_text_arg(b, l->cursor);
  hq_batch_text_arg(b, "MATCH");
  hq_batch_text_arg(b, HQ_JOB_PREFIX "*");
  hq_batch_text_arg(b, "COUNT");
  hq_batch_int(b, l->count);
  hq_batch_text_arg(b, "TYPE");
  hq_batch_text_arg(b, "hash");
}

static heroq_status read_keys(listing *l, const hq_reply *keys, heroq_error *err) {
  hq_batch b;
  heroq_status status = HEROQ_OK;
  size_t prefix = strlen(HQ_JOB_PREFIX);
  hq_batch_init(&b);
  for (uint32_t i = 0; i < hq_reply_count(keys); i++) {
    hq_slice key = hq_reply_str(hq_reply_at(keys, i));
    if (key.n <= prefix || strlen(key.p) != key.n) key = hq_slice_of(HQ_JOB_PREFIX); /* no id: stays an empty answer */
    hq_batch_words(&b, "HMGET", key.p, "status", "script_type", "createdAt", NULL);
    hq_batch_words(&b, "HSTRLEN", key.p, "script", NULL);
    hq_batch_words(&b, "HSTRLEN", key.p, "output", NULL);
  }
  if (b.count) status = hq_client_exchange(l->self->client, &b, HQ_NEVER, l->call, err);
  for (uint32_t i = 0; status == HEROQ_OK && i < hq_reply_count(keys); i++) {
    hq_slice key = hq_reply_str(hq_reply_at(keys, i));
    if (key.n > prefix && strlen(key.p) == key.n) add_row(l, (hq_slice){key.p + prefix, key.n - prefix}, &b, i * 3);
  }
  hq_batch_free(&b);
  return status;
}

static heroq_status scan_once(listing *l, heroq_error *err) {
  hq_batch b;
  hq_batch_init(&b);
  put_scan(&b, l);
  heroq_status status = hq_ask(l->self->client, &b, "SCAN", l->call, err);
  const hq_reply *r = hq_batch_reply(&b, 0);
  hq_slice cursor = hq_reply_str(hq_reply_at(r, 0));
  if (status == HEROQ_OK && (!cursor.n || cursor.n >= sizeof l->cursor))
    status = hq_fail(err, HEROQ_E_PROTOCOL, "SCAN: an answer that heroq does not understand");
  if (status == HEROQ_OK) {
    memcpy(l->cursor, cursor.p, cursor.n);
    l->cursor[cursor.n] = 0;
    status = read_keys(l, hq_reply_at(r, 1), err);
  }
  hq_batch_free(&b);
  return status;
}

static heroq_status list_pages(listing *l, heroq_record **out, heroq_error *err) {
  heroq_status status = HEROQ_OK;
  l->rows = hq_record_list();
  for (int i = 0; i < MOST_SCANS && status == HEROQ_OK; i++) {
    status = scan_once(l, err);
    if (l->found >= l->count || strcmp(l->cursor, "0") == 0) break;
  }
  if (status) {
    heroq_record_free(l->rows);
    return status;
  }
  heroq_record *page = hq_record_new();
  hq_record_add_child(page, "rows", l->rows);
  hq_record_add_text(page, "cursor", l->cursor);
  return hq_record_finish(page, out, err);
}

/* A filter that can match nothing is a mistake. */
static heroq_status check_filters(const heroq_options *o, heroq_error *err) {
  static const int allowed[] = {HQ_OPT_COUNT, HQ_OPT_STATUS, HQ_OPT_TYPE, -1};
  const char *type = hq_option_text(o, HQ_OPT_TYPE);
  heroq_status status = hq_options_only(o, "list_jobs", allowed, err);
  return status == HEROQ_OK && *type ? heroq_key_check_name(type, err) : status;
}

heroq_status heroq_supervisor_list_jobs(heroq_supervisor *self, const char *cursor, const heroq_options *options,
                                        heroq_record **out, heroq_call *call, heroq_error *err) {
  if (!out) return hq_fail(err, HEROQ_E_INVALID, "heroq_supervisor_list_jobs: out is NULL");
  *out = NULL;
  heroq_status status = hq_supervisor_enter(self, err);
  if (status == HEROQ_OK) status = check_filters(options, err);
  if (status) return status;
  heroq_options *o = hq_options_merge(self->options, options);
  if (!o) return hq_fail_nomem(err);
  listing l = {.self = self,
               .call = call,
               .count = hq_option_int(o, HQ_OPT_COUNT),
               .status = hq_option_text(o, HQ_OPT_STATUS),
               .type = hq_option_text(o, HQ_OPT_TYPE),
               .cursor = "0"};
  if (cursor && *cursor) {
    if (strlen(cursor) >= sizeof l.cursor || strspn(cursor, "0123456789") != strlen(cursor))
      status = hq_fail(err, HEROQ_E_INVALID, "a cursor is what the page before answered, not '%.32s'", cursor);
    else
      strcpy(l.cursor, cursor);
  }
  if (status == HEROQ_OK) status = list_pages(&l, out, err);
  heroq_options_free(o);
  return status ? status : hq_ok(err);
}

/* ---- stop ---- */

/* CANCEL and what follows its verdict; *outcome is static text. */
static heroq_status stop(heroq_supervisor *self, hq_slice id, const char *key, const char **outcome, heroq_call *call,
                         heroq_error *err) {
  hq_cancel c;
  hq_batch b, rest;
  hq_batch_init(&b);
  hq_batch_init(&rest);
  hq_put_cancel(&b, key);
  heroq_status status = hq_client_exchange(self->client, &b, HQ_NEVER, call, err);
  if (status == HEROQ_OK) status = hq_stop_read(hq_batch_reply(&b, 0), key, &c, outcome, err);
  if (status == HEROQ_OK) status = hq_stop_put(&rest, id, &c, err);
  if (status == HEROQ_OK && rest.count) status = hq_ask(self->client, &rest, "what follows a stop", call, err);
  hq_batch_free(&rest);
  hq_batch_free(&b);
  return status;
}

heroq_status heroq_supervisor_stop_job(heroq_supervisor *self, const char *job_id, heroq_record **out, heroq_call *call,
                                       heroq_error *err) {
  hq_buf key = {0};
  const char *outcome = "";
  if (out) *out = NULL;
  heroq_status status = hq_supervisor_enter_id(self, job_id, &key, err);
  if (status) return status;
  status = stop(self, hq_slice_of(job_id), hq_buf_cstr(&key), &outcome, call, err);
  if (status == HEROQ_OK && out) {
    heroq_record *r = hq_record_new();
    hq_record_add_text(r, "outcome", outcome);
    status = hq_record_finish(r, out, err);
  }
  hq_buf_free(&key);
  return status ? status : hq_ok(err);
}

/* ---- delete ---- */

static heroq_status out_of_dead(heroq_supervisor *self, hq_slice id, const hq_reply *deleted, heroq_call *call,
                                heroq_error *err) {
  hq_batch b;
  hq_qkeys q;
  if (!hq_known_queue(hq_reply_str(hq_reply_at(deleted, 1)), hq_reply_str(hq_reply_at(deleted, 2)), &q))
    return HEROQ_OK;
  hq_batch_init(&b);
  hq_batch_words(&b, "HDEL", q.key[HQ_Q_REASONS].p, id.p, NULL);
  hq_batch_words(&b, "ZREM", q.key[HQ_Q_DEAD].p, id.p, NULL);
  heroq_status status = hq_ask(self->client, &b, q.key[HQ_Q_DEAD].p, call, err);
  hq_batch_free(&b);
  hq_qkeys_free(&q);
  return status;
}

heroq_status heroq_supervisor_delete_job(heroq_supervisor *self, const char *job_id, heroq_call *call,
                                         heroq_error *err) {
  enum { UNKNOWN, DELETED, RUNS };
  hq_buf key = {0};
  hq_batch b;
  const char *outcome = "";
  heroq_status status = hq_supervisor_enter_id(self, job_id, &key, err);
  if (status) return status;
  hq_batch_init(&b);
  hq_put_delete(&b, hq_buf_cstr(&key), TOMBSTONE_MS);
  status = hq_ask(self->client, &b, hq_buf_cstr(&key), call, err);
  if (status == HEROQ_OK) {
    const hq_reply *r = hq_batch_reply(&b, 0);
    int64_t verdict = hq_reply_int(hq_reply_at(r, 0), -1);
    if (verdict == DELETED)
      status = out_of_dead(self, hq_slice_of(job_id), r, call, err);
    else if (verdict == UNKNOWN)
      status = hq_fail(err, HEROQ_E_NOT_FOUND, "%s is not there", hq_buf_cstr(&key));
    else if (verdict == RUNS) {
      status = stop(self, hq_slice_of(job_id), hq_buf_cstr(&key), &outcome, call, err);
      if (status == HEROQ_OK)
        status =
            hq_fail(err, HEROQ_E_BUSY, "%s runs: it was asked to stop, delete it when it has ended", hq_buf_cstr(&key));
    } else
      status = hq_fail(err, HEROQ_E_PROTOCOL, "%s: an answer that heroq does not understand", hq_buf_cstr(&key));
  }
  hq_batch_free(&b);
  hq_buf_free(&key);
  return status ? status : hq_ok(err);
}

/* ---- requeue ---- */

/* The queue that the job had, else the one that the caller names, else that of its type. */
static heroq_status requeue_target(const hq_reply *r, const heroq_options *o, const char *key, hq_qkeys *q,
                                   heroq_error *err) {
  hq_slice queue = hq_reply_str(hq_reply_at(r, 1)), type = hq_reply_str(hq_reply_at(r, 2));
  const char *named = hq_option_text(o, HQ_OPT_TYPE), *group = hq_option_text(o, HQ_OPT_GROUP);
  heroq_bytes *text = NULL;
  if (!queue.n && (*named || *group)) {
    heroq_status status =
        heroq_key_actor_queue(*named ? named : type.p, group, hq_option_text(o, HQ_OPT_INSTANCE), &text, err);
    if (status) return status;
    queue = (hq_slice){heroq_bytes_data(text), heroq_bytes_size(text)};
  }
  bool ok = hq_known_queue(queue, type, q);
  heroq_bytes_free(text);
  return ok ? HEROQ_OK
            : hq_fail(err, HEROQ_E_INVALID, "%s names no queue and no script_type: give the option type", key);
}

/* The hash stands at dispatched. What was said to or by the earlier run must go before the id can run again: its reply,
 * and a request to stop it that is still on the ctl list. */
static heroq_status forget_run(heroq_supervisor *self, hq_slice id, hq_slice type, heroq_call *call, heroq_error *err) {
  hq_buf reply = {0}, ctl = {0};
  hq_batch b;
  hq_batch_init(&b);
  hq_key_reply_of(&reply, id);
  hq_batch_words(&b, "DEL", hq_buf_cstr(&reply), NULL);
  if (hq_name_ok(type)) {
    hq_key_ctl(&ctl, type.p);
    hq_put_ctl_remove(&b, hq_buf_cstr(&ctl), id);
  }
  heroq_status status = hq_ask(self->client, &b, hq_buf_cstr(&reply), call, err);
  /* a ctl key of a wrong type asks nobody to stop */
  if (status == HEROQ_OK && b.count > 1 && !hq_reply_is_error(hq_batch_reply(&b, 1), "WRONGTYPE"))
    status = hq_reply_to_error(hq_batch_reply(&b, 1), hq_buf_cstr(&ctl), err);
  hq_batch_free(&b);
  hq_buf_free(&ctl);
  hq_buf_free(&reply);
  return status;
}

static heroq_status push_again(heroq_supervisor *self, hq_slice id, const hq_qkeys *q, heroq_call *call,
                               heroq_error *err) {
  hq_batch b;
  hq_batch_init(&b);
  hq_put_push_again(&b, q, id);
  if (hq_durable(self->client)) hq_durable_put(self->client, &b);
  heroq_status status = hq_ask(self->client, &b, q->key[HQ_Q].p, call, err);
  if (status == HEROQ_OK && b.count > 1) status = hq_durable_answer(self->client, &b, 1, err);
  hq_batch_free(&b);
  return status;
}

heroq_status heroq_supervisor_requeue_job(heroq_supervisor *self, const char *job_id, const heroq_options *options,
                                          heroq_call *call, heroq_error *err) {
  static const int allowed[] = {HQ_OPT_TYPE, HQ_OPT_GROUP, HQ_OPT_INSTANCE, -1};
  hq_buf key = {0};
  hq_batch b;
  hq_qkeys q;
  /* before the hash is changed: what is refused afterwards would leave the job in no queue */
  const char *named = hq_option_text(options, HQ_OPT_TYPE);
  heroq_status status = hq_options_only(options, "requeue_job", allowed, err);
  if (status == HEROQ_OK) status = hq_supervisor_check_place(*named ? named : NULL, options, err);
  if (status == HEROQ_OK) status = hq_supervisor_enter_id(self, job_id, &key, err);
  if (status) return status;
  hq_batch_init(&b);
  hq_put_requeue(&b, hq_buf_cstr(&key));
  status = hq_ask(self->client, &b, hq_buf_cstr(&key), call, err);
  if (status == HEROQ_OK) {
    const hq_reply *r = hq_batch_reply(&b, 0);
    int64_t verdict = hq_reply_int(hq_reply_at(r, 0), -2);
    if (verdict == 0)
      status = hq_fail(err, HEROQ_E_BUSY, "%s has not ended", hq_buf_cstr(&key));
    else if (verdict != 1)
      status = hq_fail(err, HEROQ_E_NOT_FOUND, "%s is not there, or has no script", hq_buf_cstr(&key));
    else if ((status = requeue_target(r, options, hq_buf_cstr(&key), &q, err)) == HEROQ_OK) {
      hq_slice id = hq_slice_of(job_id);
      status = forget_run(self, id, hq_reply_str(hq_reply_at(r, 2)), call, err);
      if (status == HEROQ_OK) status = push_again(self, id, &q, call, err);
      hq_qkeys_free(&q);
    }
  }
  hq_batch_free(&b);
  hq_buf_free(&key);
  return status ? status : hq_ok(err);
}
