/* Reading what a run tells while it goes on. */
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "errors.h"
#include "job_private.h"
#include "keys_private.h"
#include "record_private.h"
#include "store.h"
#include "supervisor_private.h"

#define SLICE_MS 1000 /* a blocked read is cut, so that the end of the job is seen */

typedef struct reading {
  heroq_supervisor *self;
  const char *job_id;
  heroq_call *call;
  hq_buf job_key;
  hq_batch b;
  int64_t count;
} reading;

static heroq_status begin(reading *r, const heroq_options *options, heroq_error *err) {
  static const int allowed[] = {HQ_OPT_COUNT, -1};
  hq_batch_init(&r->b);
  heroq_status status = hq_options_only(options, "a page", allowed, err);
  if (status == HEROQ_OK) status = hq_supervisor_enter_id(r->self, r->job_id, &r->job_key, err);
  heroq_options *o = status ? NULL : hq_options_merge(r->self->options, options);
  if (status == HEROQ_OK && !o) status = hq_fail_nomem(err);
  if (o) r->count = hq_option_int(o, HQ_OPT_COUNT);
  heroq_options_free(o);
  return status;
}

static heroq_status end(reading *r, heroq_status status, heroq_error *err) {
  hq_batch_free(&r->b);
  hq_buf_free(&r->job_key);
  return status ? status : hq_ok(err);
}

static const char *job_key(reading *r) { return hq_buf_cstr(&r->job_key); }

static heroq_status not_there(reading *r, heroq_error *err) {
  return hq_fail(err, HEROQ_E_NOT_FOUND, "%s is not there", job_key(r));
}

/* ---- progress ---- */

static bool next_word(hq_slice *rest, hq_slice *word) {
  const char *space = rest->n ? memchr(rest->p, ' ', rest->n) : NULL;
  if (!space) return false;
  *word = (hq_slice){rest->p, (size_t)(space - rest->p)};
  *rest = (hq_slice){space + 1, rest->n - word->n - 1};
  return true;
}

/* "<attempt> <ms> <percent> <text>", with two decimals whatever the locale is. */
static heroq_status progress_record(hq_slice value, heroq_record **out, heroq_error *err) {
  hq_slice attempt, ms, percent;
  int64_t n, time, whole, part = 0;
  bool ok = next_word(&value, &attempt) && next_word(&value, &ms) && next_word(&value, &percent);
  const char *point = ok ? memchr(percent.p, '.', percent.n) : NULL;
  hq_slice before = {percent.p, point ? (size_t)(point - percent.p) : percent.n};
  if (point) ok = hq_slice_to_int64((hq_slice){point + 1, percent.n - before.n - 1}, &part);
  ok = ok && hq_slice_to_int64(attempt, &n) && hq_slice_to_int64(ms, &time) && hq_slice_to_int64(before, &whole);
  if (!ok) return hq_fail(err, HEROQ_E_PROTOCOL, "hq_progress: not what heroq writes there");
  heroq_record *r = hq_record_new();
  hq_record_add_double(r, "percent", (double)whole + (double)part / 100);
  hq_record_add_slice(r, "text", value);
  hq_record_add_int(r, "attempt", n);
  hq_record_add_int(r, "time", time);
  return hq_record_finish(r, out, err);
}

heroq_status heroq_supervisor_get_progress(heroq_supervisor *self, const char *job_id, heroq_record **out,
                                           heroq_call *call, heroq_error *err) {
  if (!out) return hq_fail(err, HEROQ_E_INVALID, "heroq_supervisor_get_progress: out is NULL");
  *out = NULL;
  reading r = {.self = self, .job_id = job_id, .call = call};
  heroq_status status = begin(&r, NULL, err);
  if (status) return end(&r, status, err);
  hq_batch_words(&r.b, "HMGET", job_key(&r), "hq_progress", "status", "script", NULL);
  status = hq_ask(self->client, &r.b, job_key(&r), call, err);
  const hq_reply *f = hq_batch_reply(&r.b, 0);
  hq_slice value = hq_reply_str(hq_reply_at(f, 0));
  if (status == HEROQ_OK && !value.p && !hq_reply_str(hq_reply_at(f, 1)).p && !hq_reply_str(hq_reply_at(f, 2)).p)
    status = not_there(&r, err);
  if (status == HEROQ_OK && value.p) status = progress_record(value, out, err);
  return end(&r, status, err);
}

/* ---- log ---- */

static void put_lines(reading *r) {
  hq_batch_begin(&r->b, 4, -1);
  hq_batch_text_arg(&r->b, "LRANGE");
  hq_batch_beside(&r->b, job_key(r), "log");
  hq_batch_int(&r->b, 0);
  hq_batch_int(&r->b, -1);
}

/* All that is kept, at most a thousand lines: their numbers are known by the end of the list only. */
heroq_status heroq_supervisor_get_logs(heroq_supervisor *self, const char *job_id, int64_t from,
                                       const heroq_options *options, heroq_record **out, heroq_call *call,
                                       heroq_error *err) {
  if (!out) return hq_fail(err, HEROQ_E_INVALID, "heroq_supervisor_get_logs: out is NULL");
  *out = NULL;
  reading r = {.self = self, .job_id = job_id, .call = call};
  heroq_status status = begin(&r, options, err);
  if (status) return end(&r, status, err);
  hq_batch_words(&r.b, "HMGET", job_key(&r), "hq_logged", "status", "script", NULL);
  put_lines(&r);
  status = hq_ask(self->client, &r.b, job_key(&r), call, err);
  const hq_reply *f = hq_batch_reply(&r.b, 0), *lines = hq_batch_reply(&r.b, 1);
  if (status == HEROQ_OK) status = hq_reply_to_error(lines, "the job's log", err);
  if (status == HEROQ_OK && !hq_reply_str(hq_reply_at(f, 1)).p && !hq_reply_str(hq_reply_at(f, 2)).p)
    status = not_there(&r, err);
  if (status) return end(&r, status, err);
  int64_t kept = hq_reply_count(lines), total = hq_reply_int(hq_reply_at(f, 0), kept);
  if (total < kept) total = kept; /* two keys are read: a line may have come between */
  int64_t oldest = total - kept, first = from < 0 ? total + from : from;
  if (first < oldest) first = oldest;
  if (first > total) first = total;
  heroq_record *page = hq_record_new(), *rows = hq_record_list();
  int64_t next = first;
  for (; next < total && next - first < r.count; next++)
    hq_record_add_bytes(rows, "", hq_reply_str(hq_reply_at(lines, (uint32_t)(next - oldest))));
  hq_record_add_child(page, "rows", rows);
  hq_record_add_int(page, "first", first);
  hq_record_add_int(page, "next", next);
  return end(&r, hq_record_finish(page, out, err), err);
}

/* ---- stream ---- */

static bool cursor_ok(const char *cursor) { return strspn(cursor, "0123456789-") == strlen(cursor); }

/* Behind the status, so that a terminal one says that all chunks are there. */
static void put_read(reading *r, const char *cursor) {
  hq_buf after = {0};
  hq_buf_text(&after, *cursor ? "(" : "-");
  hq_buf_text(&after, cursor);
  r->b.failed = r->b.failed || after.failed;
  hq_batch_words(&r->b, "HMGET", job_key(r), "status", "script", NULL);
  hq_batch_begin(&r->b, 6, -1);
  hq_batch_text_arg(&r->b, "XRANGE");
  hq_batch_beside(&r->b, job_key(r), "stream");
  hq_batch_text_arg(&r->b, hq_buf_cstr(&after));
  hq_batch_text_arg(&r->b, "+");
  hq_batch_text_arg(&r->b, "COUNT");
  hq_batch_int(&r->b, r->count);
  hq_buf_free(&after);
}

static void put_wait(reading *r, const char *cursor, int64_t ms) {
  hq_batch_begin(&r->b, 8, -1);
  hq_batch_text_arg(&r->b, "XREAD");
  hq_batch_text_arg(&r->b, "COUNT");
  hq_batch_int(&r->b, 1);
  hq_batch_text_arg(&r->b, "BLOCK");
  hq_batch_int(&r->b, ms);
  hq_batch_text_arg(&r->b, "STREAMS");
  hq_batch_beside(&r->b, job_key(r), "stream");
  hq_batch_text_arg(&r->b, *cursor ? cursor : "0");
}

static void add_chunk(heroq_record *rows, const hq_reply *fields) {
  heroq_record *row = hq_record_new();
  for (uint32_t i = 0; i + 1 < hq_reply_count(fields); i += 2) {
    hq_slice name = hq_reply_str(hq_reply_at(fields, i)), value = hq_reply_str(hq_reply_at(fields, i + 1));
    int64_t n = 0;
    if (hq_slice_is(name, "chunk")) hq_record_add_bytes(row, "chunk", value.p ? value : hq_slice_of(""));
    if (hq_slice_is(name, "attempt") && hq_slice_to_int64(value, &n)) hq_record_add_int(row, "attempt", n);
  }
  hq_record_add_child(rows, "", row);
}

static heroq_status stream_page(reading *r, const char *cursor, bool ended, heroq_record **out, heroq_error *err) {
  const hq_reply *entries = hq_batch_reply(&r->b, 1);
  heroq_record *page = hq_record_new(), *rows = hq_record_list();
  hq_slice last = hq_slice_of(cursor);
  for (uint32_t i = 0; i < hq_reply_count(entries); i++) {
    const hq_reply *entry = hq_reply_at(entries, i);
    last = hq_reply_str(hq_reply_at(entry, 0));
    add_chunk(rows, hq_reply_at(entry, 1));
  }
  hq_record_add_child(page, "rows", rows);
  hq_record_add_slice(page, "cursor", last);
  hq_record_add_int(page, "ended", ended && hq_reply_count(entries) < r->count);
  return hq_record_finish(page, out, err);
}

/* One look. *done: there is something to say. */
static heroq_status look(reading *r, const char *cursor, bool last, bool *done, heroq_record **out, heroq_error *err) {
  hq_batch_reset(&r->b);
  put_read(r, cursor);
  heroq_status status = hq_client_exchange(r->self->client, &r->b, HQ_NEVER, r->call, err);
  for (uint32_t i = 0; i < 2 && status == HEROQ_OK; i++)
    status = hq_reply_to_error(hq_batch_reply(&r->b, i), job_key(r), err);
  if (status) return status;
  const hq_reply *f = hq_batch_reply(&r->b, 0);
  hq_slice state = hq_reply_str(hq_reply_at(f, 0));
  if (!state.p && !hq_reply_str(hq_reply_at(f, 1)).p) return not_there(r, err);
  bool ended = hq_state_terminal(hq_state_parse(state));
  *done = last || ended || hq_reply_count(hq_batch_reply(&r->b, 1));
  return *done ? stream_page(r, cursor, ended, out, err) : HEROQ_OK;
}

heroq_status heroq_supervisor_read_stream(heroq_supervisor *self, const char *job_id, const char *cursor,
                                          int64_t timeout_ms, const heroq_options *options, heroq_record **out,
                                          heroq_call *call, heroq_error *err) {
  if (!out) return hq_fail(err, HEROQ_E_INVALID, "heroq_supervisor_read_stream: out is NULL");
  *out = NULL;
  if (!cursor) cursor = "";
  if (!cursor_ok(cursor))
    return hq_fail(err, HEROQ_E_INVALID, "a cursor is what the page before answered, not '%.32s'", cursor);
  reading r = {.self = self, .job_id = job_id, .call = call};
  heroq_status status = begin(&r, options, err);
  int64_t deadline = hq_wait_deadline(timeout_ms, call);
  for (bool done = false; status == HEROQ_OK && !done;) {
    int64_t left = deadline == HQ_NEVER ? SLICE_MS : deadline - hq_mono_ms();
    status = look(&r, cursor, left <= 0, &done, out, err);
    if (status || done) break;
    hq_batch_reset(&r.b);
    put_wait(&r, cursor, left < SLICE_MS ? left : SLICE_MS);
    status = hq_client_exchange(self->client, &r.b, HQ_NEVER, call, err);
  }
  return end(&r, status, err);
}
