/* The supervisor lists jobs: a bounded walk over the keys, page by page, and the filters. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "clock.h"
#include "errors.h"
#include "job_private.h"
#include "keys_private.h"
#include "record_private.h"
#include "store.h"
#include "supervisor_private.h"
#include "tags.h"

#define MOST_SCANS 16       /* in one page: a filter that fits nothing must not walk the whole key space */
#define SELECTIVE_SCAN 1000 /* keys that a walk by the id looks at in one command */

typedef struct listing {
  heroq_supervisor *self;
  heroq_call *call;
  int64_t count;
  const char *status, *type, *text, *id_prefix, *caller, *tag;
  int64_t before, since; /* made then, Unix ms; 0: any */
  hq_buf pattern;
  heroq_record *rows;
  int64_t found;
  char cursor[24];
} listing;

/* ---- filters ---- */

static bool same_text(hq_slice s, const char *text) {
  return s.n == strlen(text) && !strncasecmp(s.p ? s.p : "", text, s.n);
}

static bool id_fits(const listing *l, hq_slice id) {
  size_t prefix = strlen(l->id_prefix), text = strlen(l->text);
  return id.n >= prefix && !memcmp(id.p, l->id_prefix, prefix) && (!text || memmem(id.p, id.n, l->text, text));
}

static bool fits(const listing *l, hq_slice status, hq_slice type, hq_slice caller, hq_slice tags, int64_t made) {
  if (*l->status && !same_text(status, l->status)) return false;
  if (*l->type && !hq_slice_is(type, l->type)) return false;
  if (*l->caller && !hq_slice_is(caller, l->caller)) return false;
  if (*l->tag && !hq_tags_have(tags, l->tag)) return false;
  if (l->before && (made <= 0 || made > l->before)) return false;
  return !l->since || made >= l->since;
}

static void add_escaped(hq_buf *b, const char *text) {
  for (; *text; text++) {
    if (strchr("*?[]\\^", *text)) hq_buf_char(b, '\\');
    hq_buf_char(b, *text);
  }
}

/* So that the server passes over ids that do not fit. */
static void make_pattern(listing *l) {
  hq_buf_text(&l->pattern, HQ_JOB_PREFIX);
  add_escaped(&l->pattern, l->id_prefix);
  hq_buf_char(&l->pattern, '*');
  if (!*l->text || *l->id_prefix) return;
  add_escaped(&l->pattern, l->text);
  hq_buf_char(&l->pattern, '*');
}

/* ---- a page ---- */

/* The three answers to one key: fields, length of script, length of output. */
static void add_row(listing *l, hq_slice id, const hq_batch *b, uint32_t i) {
  const hq_reply *fields = hq_batch_reply(b, i);
  hq_slice status = hq_reply_str(hq_reply_at(fields, 0)), type = hq_reply_str(hq_reply_at(fields, 1));
  hq_slice caller = hq_reply_str(hq_reply_at(fields, 3)), tags = hq_reply_str(hq_reply_at(fields, 4));
  if (!fields || fields->type != HQ_ARRAY) return; /* another type than a hash, or gone meanwhile */
  int64_t made = hq_time_of(hq_reply_str(hq_reply_at(fields, 2)), id);
  if (!fits(l, status, type, caller, tags, made)) return;
  int state = hq_state_parse(status);
  heroq_record *row = hq_record_new();
  hq_record_add_slice(row, "id", id);
  if (state != HQ_S_UNKNOWN)
    hq_record_add_text(row, "status", hq_state_name(state));
  else
    hq_record_add_slice(row, "status", status.p ? status : hq_slice_of(""));
  hq_record_add_slice(row, "script_type", type.p ? type : hq_slice_of(""));
  if (made > 0) hq_record_add_int(row, "created", made);
  /* a user who may not measure is told 0 */
  hq_record_add_int(row, "size", hq_reply_int(hq_batch_reply(b, i + 1), 0) + hq_reply_int(hq_batch_reply(b, i + 2), 0));
  hq_record_add_slice(row, "caller", caller.p ? caller : hq_slice_of(""));
  hq_record_add_child(row, "tags", hq_tags_list(tags));
  hq_record_add_child(l->rows, "", row);
  l->found++;
}

static void put_scan(hq_batch *b, listing *l) {
  bool selective = *l->id_prefix || *l->text;
  hq_batch_begin(b, 8, -1);
  hq_batch_text_arg(b, "SCAN");
  hq_batch_text_arg(b, l->cursor);
  hq_batch_text_arg(b, "MATCH");
  hq_batch_text_arg(b, hq_buf_cstr(&l->pattern));
  hq_batch_text_arg(b, "COUNT");
  hq_batch_int(b, selective && l->count < SELECTIVE_SCAN ? SELECTIVE_SCAN : l->count);
  hq_batch_text_arg(b, "TYPE");
  hq_batch_text_arg(b, "hash");
}

/* The id in a key; NONE where it is none, or does not fit. */
static hq_slice id_in(const listing *l, hq_slice key) {
  size_t prefix = strlen(HQ_JOB_PREFIX);
  if (key.n <= prefix || strlen(key.p) != key.n) return HQ_SLICE_NONE;
  hq_slice id = {key.p + prefix, key.n - prefix};
  return id_fits(l, id) ? id : HQ_SLICE_NONE;
}

static heroq_status read_keys(listing *l, const hq_reply *keys, heroq_error *err) {
  hq_batch b;
  heroq_status status = HEROQ_OK;
  hq_batch_init(&b);
  for (uint32_t i = 0; i < hq_reply_count(keys); i++) {
    hq_slice key = hq_reply_str(hq_reply_at(keys, i));
    if (!id_in(l, key).p) continue;
    hq_batch_words(&b, "HMGET", key.p, "status", "script_type", "createdAt", "callerId", "hq_tags", NULL);
    hq_batch_words(&b, "HSTRLEN", key.p, "script", NULL);
    hq_batch_words(&b, "HSTRLEN", key.p, "output", NULL);
  }
  if (b.count) status = hq_client_exchange(l->self->client, &b, HQ_NEVER, l->call, err);
  for (uint32_t i = 0, at = 0; status == HEROQ_OK && i < hq_reply_count(keys); i++) {
    hq_slice id = id_in(l, hq_reply_str(hq_reply_at(keys, i)));
    if (!id.p) continue;
    add_row(l, id, &b, at);
    at += 3;
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

static heroq_status list_page(listing *l, heroq_record **out, heroq_error *err) {
  heroq_status status = HEROQ_OK;
  make_pattern(l);
  if (l->pattern.failed) return hq_fail_nomem(err);
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

/* ---- the call ---- */

/* A filter that can match nothing is a mistake. */
static heroq_status check_filters(const heroq_options *o, heroq_error *err) {
  static const int allowed[] = {HQ_OPT_COUNT, HQ_OPT_STATUS,    HQ_OPT_TYPE,  HQ_OPT_CALLER, HQ_OPT_TAG,
                                HQ_OPT_TEXT,  HQ_OPT_ID_PREFIX, HQ_OPT_OLDER, HQ_OPT_NEWER,  -1};
  static const int ids[] = {HQ_OPT_TEXT, HQ_OPT_ID_PREFIX};
  const char *type = hq_option_text(o, HQ_OPT_TYPE), *tag = hq_option_text(o, HQ_OPT_TAG);
  int64_t older = hq_option_int(o, HQ_OPT_OLDER), newer = hq_option_int(o, HQ_OPT_NEWER);
  heroq_status status = hq_options_only(o, "list_jobs", allowed, err);
  if (status == HEROQ_OK && *type) status = heroq_key_check_name(type, err);
  if (status == HEROQ_OK && *tag) status = hq_key_check_name("tag", tag, err);
  for (int i = 0; status == HEROQ_OK && i < 2; i++) {
    hq_slice part = hq_slice_of(hq_option_text(o, ids[i]));
    if (part.n && !hq_wire_id_ok(part))
      status = hq_fail(err, HEROQ_E_INVALID,
                       "no id has \"%.64s\" in it: ids are printable ASCII without space and braces", part.p);
  }
  if (status == HEROQ_OK && older && newer && older > newer)
    status = hq_fail(err, HEROQ_E_INVALID, "nothing is older than %lld ms and newer than %lld ms", (long long)older,
                     (long long)newer);
  return status;
}

static heroq_status read_cursor(listing *l, const char *cursor, heroq_error *err) {
  if (!cursor || !*cursor) cursor = "0";
  if (strlen(cursor) >= sizeof l->cursor || strspn(cursor, "0123456789") != strlen(cursor))
    return hq_fail(err, HEROQ_E_INVALID, "a cursor is what the page before answered, not '%.32s'", cursor);
  strcpy(l->cursor, cursor);
  return HEROQ_OK;
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
  int64_t now = hq_wall_ms(), older = hq_option_int(o, HQ_OPT_OLDER), newer = hq_option_int(o, HQ_OPT_NEWER);
  listing l = {.self = self,
               .call = call,
               .count = hq_option_int(o, HQ_OPT_COUNT),
               .status = hq_option_text(o, HQ_OPT_STATUS),
               .type = hq_option_text(o, HQ_OPT_TYPE),
               .text = hq_option_text(o, HQ_OPT_TEXT),
               .id_prefix = hq_option_text(o, HQ_OPT_ID_PREFIX),
               .caller = hq_option_text(o, HQ_OPT_CALLER),
               .tag = hq_option_text(o, HQ_OPT_TAG),
               .before = older ? now - older : 0,
               .since = newer ? now - newer : 0};
  status = read_cursor(&l, cursor, err);
  if (status == HEROQ_OK) status = list_page(&l, out, err);
  hq_buf_free(&l.pattern);
  heroq_options_free(o);
  return status ? status : hq_ok(err);
}
