/* The rows of a listing of jobs: the filters, and the hashes they are held against. */
#include "listing.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "clock.h"
#include "errors.h"
#include "job_private.h"
#include "keys_private.h"
#include "tags.h"

static bool same_text(hq_slice s, const char *text) {
  return s.n == strlen(text) && !strncasecmp(s.p ? s.p : "", text, s.n);
}

bool hq_listing_id_fits(const hq_listing *l, hq_slice id) {
  size_t prefix = strlen(l->id_prefix), text = strlen(l->text);
  return id.n >= prefix && !memcmp(id.p, l->id_prefix, prefix) && (!text || memmem(id.p, id.n, l->text, text));
}

heroq_status hq_listing_take_cursor(hq_listing *l, hq_buf *text, heroq_error *err) {
  heroq_status status = text->failed ? hq_fail_nomem(err) : hq_listing_set_cursor(l, (hq_slice){text->p, text->n}, err);
  hq_buf_free(text);
  return status;
}

heroq_status hq_listing_set_cursor(hq_listing *l, hq_slice cursor, heroq_error *err) {
  if (!cursor.n || cursor.n >= sizeof l->cursor)
    return hq_fail(err, HEROQ_E_PROTOCOL, "a cursor that heroq does not understand");
  memcpy(l->cursor, cursor.p, cursor.n);
  l->cursor[cursor.n] = 0;
  return HEROQ_OK;
}

/* ---- hashes ---- */

/* What HMGET asks for. */
typedef struct found_job {
  hq_slice id, status, type, caller, tags;
  int64_t made;
  bool fits, doubtful; /* doubtful: nothing yet says that the hash is a job's */
} found_job;

static void put_look(hq_batch *b, const char *key) {
  hq_batch_words(b, "HMGET", key, "status", "script_type", "createdAt", "callerId", "hq_tags", NULL);
}

static bool fits(const hq_listing *l, const found_job *j) {
  if (*l->status && !same_text(j->status, l->status)) return false;
  if (*l->type && !hq_slice_is(j->type, l->type)) return false;
  if (*l->caller && !hq_slice_is(j->caller, l->caller)) return false;
  if (*l->tag && !hq_tags_have(j->tags, l->tag)) return false;
  if (l->before && (j->made <= 0 || j->made > l->before)) return false;
  return !l->since || j->made >= l->since;
}

/* No array: another type than a hash. */
static found_job read_fields(const hq_listing *l, hq_slice id, const hq_reply *fields) {
  found_job j = {.id = id,
                 .status = hq_reply_str(hq_reply_at(fields, 0)),
                 .type = hq_reply_str(hq_reply_at(fields, 1)),
                 .caller = hq_reply_str(hq_reply_at(fields, 3)),
                 .tags = hq_reply_str(hq_reply_at(fields, 4))};
  j.made = hq_time_of(hq_reply_str(hq_reply_at(fields, 2)), id);
  j.doubtful = !j.status.p;
  j.fits = fields && fields->type == HQ_ARRAY && fits(l, &j);
  return j;
}

/* A user who may not measure is told 0. */
static void add_row(hq_listing *l, const found_job *j, int64_t script, int64_t output) {
  heroq_record *row = hq_record_new();
  int state = hq_state_parse(j->status);
  hq_record_add_slice(row, "id", j->id);
  if (state != HQ_S_UNKNOWN)
    hq_record_add_text(row, "status", hq_state_name(state));
  else
    hq_record_add_slice(row, "status", j->status.p ? j->status : hq_slice_of(""));
  hq_record_add_slice(row, "script_type", j->type.p ? j->type : hq_slice_of(""));
  if (j->made > 0) hq_record_add_int(row, "created", j->made);
  hq_record_add_int(row, "size", script + output);
  hq_record_add_slice(row, "caller", j->caller.p ? j->caller : hq_slice_of(""));
  hq_record_add_child(row, "tags", hq_tags_list(j->tags));
  hq_record_add_child(l->rows, "", row);
  l->found++;
}

static heroq_status add_rows(hq_listing *l, const found_job *j, uint32_t n, hq_batch *b, heroq_error *err) {
  for (uint32_t i = 0; i < n; i++) {
    hq_buf key = {0};
    if (!j[i].fits) continue;
    hq_key_job(&key, j[i].id);
    hq_batch_words(b, "HSTRLEN", hq_buf_cstr(&key), "script", NULL);
    hq_batch_words(b, "HSTRLEN", hq_buf_cstr(&key), "output", NULL);
    if (key.failed) b->failed = true;
    hq_buf_free(&key);
  }
  heroq_status status = b->count ? hq_client_exchange(l->client, b, HQ_NEVER, l->call, err) : HEROQ_OK;
  for (uint32_t i = 0, at = 0; i < n && !status; i++) {
    if (!j[i].fits) continue;
    int64_t script = hq_reply_int(hq_batch_reply(b, at), 0), output = hq_reply_int(hq_batch_reply(b, at + 1), 0);
    at += 2;
    if (script > 0 || !j[i].doubtful) add_row(l, &j[i], script, output);
  }
  return status;
}

heroq_status hq_listing_read(hq_listing *l, const hq_slice *id, uint32_t n, heroq_error *err) {
  hq_batch b, sizes;
  found_job *job = calloc(n + 1, sizeof *job);
  if (!job) return hq_fail_nomem(err);
  hq_batch_init(&b);
  hq_batch_init(&sizes);
  for (uint32_t i = 0; i < n; i++) {
    hq_buf key = {0};
    hq_key_job(&key, id[i]);
    put_look(&b, hq_buf_cstr(&key));
    if (key.failed) b.failed = true;
    hq_buf_free(&key);
  }
  heroq_status status = n ? hq_client_exchange(l->client, &b, HQ_NEVER, l->call, err) : HEROQ_OK;
  for (uint32_t i = 0; i < n && !status; i++) job[i] = read_fields(l, id[i], hq_batch_reply(&b, i));
  if (!status) status = add_rows(l, job, n, &sizes, err);
  hq_batch_free(&sizes);
  hq_batch_free(&b);
  free(job);
  return status;
}
