/* The supervisor lists jobs: a bounded walk over the keys, page by page, and the filters. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "clock.h"
#include "errors.h"
#include "index.h"
#include "job_private.h"
#include "keys_private.h"
#include "record_private.h"
#include "store.h"
#include "supervisor_private.h"
#include "tags.h"

#define MOST_SCANS 16       /* in one page: a filter that fits nothing must not walk the whole key space */
#define SELECTIVE_SCAN 1000 /* keys that a walk by the id looks at in one command */

#define CLOCKS_MS 3600000  /* clocks of machines differ by less */
#define LONGEST_CURSOR 264 /* an id of 256 */

/* The values of the option `source`. */
enum source { AUTO, BY_INDEX, BY_SCAN };

typedef struct listing {
  heroq_supervisor *self;
  heroq_call *call;
  int64_t count;
  const char *status, *type, *text, *id_prefix, *caller, *tag;
  int64_t source;        /* hq_source */
  int64_t before, since; /* made then, Unix ms; 0: any */
  hq_buf pattern;        /* what SCAN matches, or the key of the index that is walked */
  heroq_record *rows;
  int64_t found;
  char cursor[LONGEST_CURSOR];
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

static heroq_status set_cursor(listing *l, hq_slice cursor, heroq_error *err) {
  if (!cursor.n || cursor.n >= sizeof l->cursor)
    return hq_fail(err, HEROQ_E_PROTOCOL, "a cursor that heroq does not understand");
  memcpy(l->cursor, cursor.p, cursor.n);
  l->cursor[cursor.n] = 0;
  return HEROQ_OK;
}

/* The id in a key; NONE where it is none, or does not fit. */
static hq_slice id_in(const listing *l, hq_slice key) {
  size_t prefix = strlen(HQ_JOB_PREFIX);
  if (key.n <= prefix || strlen(key.p) != key.n) return HQ_SLICE_NONE;
  hq_slice id = {key.p + prefix, key.n - prefix};
  return id_fits(l, id) ? id : HQ_SLICE_NONE;
}

static void put_look(hq_batch *b, const char *key) {
  hq_batch_words(b, "HMGET", key, "status", "script_type", "createdAt", "callerId", "hq_tags", NULL);
  hq_batch_words(b, "HSTRLEN", key, "script", NULL);
  hq_batch_words(b, "HSTRLEN", key, "output", NULL);
}

static heroq_status read_keys(listing *l, const hq_reply *keys, heroq_error *err) {
  hq_batch b;
  heroq_status status = HEROQ_OK;
  hq_batch_init(&b);
  for (uint32_t i = 0; i < hq_reply_count(keys); i++) {
    hq_slice key = hq_reply_str(hq_reply_at(keys, i));
    if (id_in(l, key).p) put_look(&b, key.p);
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
  if (status == HEROQ_OK) status = set_cursor(l, cursor, err);
  if (status == HEROQ_OK) status = read_keys(l, hq_reply_at(r, 1), err);
  hq_batch_free(&b);
  return status;
}

/* ---- by the index ---- */

/* One that is too long has no key of its own. */
static bool caller_helps(const listing *l) { return *l->caller && strlen(l->caller) <= HQ_CALLER_MOST; }

/* The key that has the fewest: of the tag, of the caller, else of all. */
static void choose_index(listing *l) {
  l->pattern.n = 0;
  if (*l->tag) {
    hq_buf_text(&l->pattern, HQ_INDEX_TAG_PREFIX);
    hq_buf_text(&l->pattern, l->tag);
  } else if (caller_helps(l)) {
    hq_buf_text(&l->pattern, HQ_INDEX_CALLER_PREFIX);
    hq_buf_text(&l->pattern, l->caller);
  } else
    hq_buf_text(&l->pattern, *l->id_prefix ? HQ_INDEX_IDS_KEY : HQ_INDEX_MADE_KEY);
}

static bool by_name(const listing *l) { return !*l->tag && !caller_helps(l) && *l->id_prefix; }

static void put_bound(hq_batch *b, const char *mark, const char *text, const char *end) {
  hq_buf bound = {0};
  hq_buf_text(&bound, mark);
  hq_buf_text(&bound, text);
  hq_buf_text(&bound, end);
  hq_batch_text_arg(b, hq_buf_cstr(&bound));
  hq_buf_free(&bound);
}

/* The cursor is "p" and the last id. */
static void put_by_name(hq_batch *b, listing *l) {
  bool first = !strcmp(l->cursor, "0");
  hq_batch_begin(b, 8, -1);
  hq_batch_text_arg(b, "ZRANGE");
  hq_batch_text_arg(b, hq_buf_cstr(&l->pattern));
  put_bound(b, first ? "[" : "(", first ? l->id_prefix : l->cursor + 1, "");
  put_bound(b, "(", l->id_prefix, "\x7f"); /* behind all that an id may have */
  hq_batch_text_arg(b, "BYLEX");
  hq_batch_text_arg(b, "LIMIT");
  hq_batch_int(b, 0);
  hq_batch_int(b, l->count);
}

/* The cursor is "t", a time, "." and how many of that time were given already. */
static void read_time_cursor(const listing *l, int64_t *time, int64_t *skip) {
  const char *point = strchr(l->cursor, '.');
  *time = *skip = 0;
  if (*l->cursor != 't' || !point) return;
  hq_slice_to_int64((hq_slice){l->cursor + 1, (size_t)(point - l->cursor - 1)}, time);
  hq_slice_to_int64(hq_slice_of(point + 1), skip);
}

/* The newest first, by when they were submitted: what was made since then was submitted since then, but for clocks that
 * differ. */
static void put_by_time(hq_batch *b, listing *l) {
  int64_t time, skip;
  read_time_cursor(l, &time, &skip);
  hq_batch_begin(b, 10, -1);
  hq_batch_text_arg(b, "ZRANGE");
  hq_batch_text_arg(b, hq_buf_cstr(&l->pattern));
  time ? hq_batch_int(b, time) : hq_batch_text_arg(b, "+inf");
  l->since > CLOCKS_MS ? hq_batch_int(b, l->since - CLOCKS_MS) : hq_batch_text_arg(b, "-inf");
  hq_batch_text_arg(b, "BYSCORE");
  hq_batch_text_arg(b, "REV");
  hq_batch_text_arg(b, "LIMIT");
  hq_batch_int(b, skip);
  hq_batch_int(b, l->count);
  hq_batch_text_arg(b, "WITHSCORES");
}

static int64_t time_at(const hq_reply *r, uint32_t i) {
  hq_slice s = hq_reply_str(hq_reply_at(r, 2 * i + 1));
  return s.n ? (int64_t)strtod(s.p, NULL) : 0;
}

static heroq_status next_by_time(listing *l, const hq_reply *r, uint32_t n, heroq_error *err) {
  int64_t before, skip, last = time_at(r, n - 1), same = 0;
  hq_buf cursor = {0};
  read_time_cursor(l, &before, &skip);
  for (uint32_t i = n; i-- > 0 && time_at(r, i) == last;) same++;
  hq_buf_char(&cursor, 't');
  hq_buf_int(&cursor, last);
  hq_buf_char(&cursor, '.');
  hq_buf_int(&cursor, same + (last == before ? skip : 0));
  heroq_status status = set_cursor(l, (hq_slice){cursor.p, cursor.n}, err);
  hq_buf_free(&cursor);
  return status;
}

static heroq_status next_by_name(listing *l, hq_slice last, heroq_error *err) {
  hq_buf cursor = {0};
  hq_buf_char(&cursor, 'p');
  hq_buf_add(&cursor, last.p, last.n);
  heroq_status status = set_cursor(l, (hq_slice){cursor.p, cursor.n}, err);
  hq_buf_free(&cursor);
  return status;
}

/* Their hashes may be gone, and say what the index has forgotten. */
static heroq_status read_ids(listing *l, const hq_reply *r, uint32_t n, uint32_t each, heroq_error *err) {
  hq_batch b;
  heroq_status status = HEROQ_OK;
  hq_batch_init(&b);
  for (uint32_t i = 0; i < n; i++) {
    hq_buf key = {0};
    hq_slice id = hq_reply_str(hq_reply_at(r, i * each));
    hq_key_job(&key, hq_wire_id_ok(id) ? id : hq_slice_of(""));
    put_look(&b, hq_buf_cstr(&key));
    hq_buf_free(&key);
  }
  status = hq_client_exchange(l->self->client, &b, HQ_NEVER, l->call, err);
  for (uint32_t i = 0; status == HEROQ_OK && i < n; i++) {
    const hq_reply *fields = hq_batch_reply(&b, i * 3);
    hq_slice id = hq_reply_str(hq_reply_at(r, i * each));
    bool there = hq_reply_str(hq_reply_at(fields, 0)).p || hq_reply_int(hq_batch_reply(&b, i * 3 + 1), 0) > 0;
    if (there && id_fits(l, id)) add_row(l, id, &b, i * 3);
  }
  hq_batch_free(&b);
  return status;
}

static heroq_status walk_index(listing *l, heroq_error *err) {
  hq_batch b;
  uint32_t each = by_name(l) ? 1 : 2;
  hq_batch_init(&b);
  (by_name(l) ? put_by_name : put_by_time)(&b, l);
  heroq_status status = hq_ask(l->self->client, &b, hq_buf_cstr(&l->pattern), l->call, err);
  const hq_reply *r = hq_batch_reply(&b, 0);
  uint32_t n = hq_reply_count(r) / each;
  if (status == HEROQ_OK && n) status = read_ids(l, r, n, each, err);
  if (status == HEROQ_OK && n < l->count)
    status = set_cursor(l, hq_slice_of("0"), err);
  else if (status == HEROQ_OK)
    status = by_name(l) ? next_by_name(l, hq_reply_str(hq_reply_at(r, n - 1)), err) : next_by_time(l, r, n, err);
  hq_batch_free(&b);
  return status;
}

/* The cursor knows where it came from. At the beginning: whether there is an index, if it would help. */
static heroq_status find_source(listing *l, heroq_error *err) {
  bool helps = *l->tag || caller_helps(l) || *l->id_prefix, first = !strcmp(l->cursor, "0");
  if (!first) l->source = *l->cursor == 't' || *l->cursor == 'p' ? BY_INDEX : BY_SCAN;
  if (l->source != AUTO) return HEROQ_OK;
  hq_batch b;
  hq_batch_init(&b);
  hq_batch_words(&b, "EXISTS", HQ_INDEX_MADE_KEY, NULL);
  heroq_status status = helps ? hq_ask(l->self->client, &b, HQ_INDEX_MADE_KEY, l->call, err) : HEROQ_OK;
  l->source = helps && hq_reply_int(hq_batch_reply(&b, 0), 0) ? BY_INDEX : BY_SCAN;
  hq_batch_free(&b);
  return status;
}

/* ---- the call ---- */

static heroq_status list_page(listing *l, heroq_record **out, heroq_error *err) {
  heroq_status status = find_source(l, err);
  if (status) return status;
  (l->source == BY_INDEX ? choose_index : make_pattern)(l);
  hq_buf_cstr(&l->pattern);
  if (l->pattern.failed) return hq_fail_nomem(err);
  l->rows = hq_record_list();
  for (int i = 0; i < MOST_SCANS && status == HEROQ_OK; i++) {
    status = l->source == BY_INDEX ? walk_index(l, err) : scan_once(l, err);
    if (l->found >= l->count || strcmp(l->cursor, "0") == 0) break;
  }
  if (status) {
    heroq_record_free(l->rows);
    return status;
  }
  heroq_record *page = hq_record_new();
  hq_record_add_child(page, "rows", l->rows);
  hq_record_add_text(page, "cursor", l->cursor);
  hq_record_add_text(page, "source", l->source == BY_INDEX ? "index" : "scan");
  hq_record_add_int(page, "whole", l->source == BY_SCAN && !strcmp(l->cursor, "0"));
  return hq_record_finish(page, out, err);
}

/* A filter that can match nothing is a mistake. */
static heroq_status check_filters(const heroq_options *o, heroq_error *err) {
  static const int allowed[] = {HQ_OPT_COUNT,     HQ_OPT_STATUS, HQ_OPT_TYPE,  HQ_OPT_CALLER, HQ_OPT_TAG, HQ_OPT_TEXT,
                                HQ_OPT_ID_PREFIX, HQ_OPT_OLDER,  HQ_OPT_NEWER, HQ_OPT_SOURCE, -1};
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
  bool walk = strspn(cursor, "0123456789") == strlen(cursor);
  bool time = *cursor == 't' && !by_name(l) && strspn(cursor + 1, "0123456789.") == strlen(cursor + 1);
  bool name = *cursor == 'p' && by_name(l) && !strncmp(cursor + 1, l->id_prefix, strlen(l->id_prefix));
  if (strlen(cursor) >= sizeof l->cursor || !(walk || time || name))
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
               .source = hq_option_int(o, HQ_OPT_SOURCE),
               .before = older ? now - older : 0,
               .since = newer ? now - newer : 0};
  status = read_cursor(&l, cursor, err);
  if (status == HEROQ_OK) status = list_page(&l, out, err);
  hq_buf_free(&l.pattern);
  heroq_options_free(o);
  return status ? status : hq_ok(err);
}
