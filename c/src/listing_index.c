/* Finding jobs by the index that who submitted them has kept: c/PROTOCOL.md, 2.20. */
#include <stdlib.h>
#include <string.h>

#include "errors.h"
#include "index.h"
#include "keys_private.h"
#include "listing.h"
#include "store.h"

/* One that is too long has no key of its own. */
static bool caller_helps(const hq_listing *l) { return *l->caller && strlen(l->caller) <= HQ_CALLER_MOST; }

bool hq_listing_by_name(const hq_listing *l) { return !*l->tag && !caller_helps(l) && *l->id_prefix; }

/* The key that has the fewest: of the tag, of the caller, else of all. */
static const char *key_of(hq_listing *l) {
  l->key.n = 0;
  if (*l->tag) {
    hq_buf_text(&l->key, HQ_INDEX_TAG_PREFIX);
    hq_buf_text(&l->key, l->tag);
  } else if (caller_helps(l)) {
    hq_buf_text(&l->key, HQ_INDEX_CALLER_PREFIX);
    hq_buf_text(&l->key, l->caller);
  } else
    hq_buf_text(&l->key, *l->id_prefix ? HQ_INDEX_IDS_KEY : HQ_INDEX_MADE_KEY);
  return hq_buf_cstr(&l->key);
}

heroq_status hq_listing_has_index(const hq_listing *l, bool *has, heroq_error *err) {
  hq_batch b;
  hq_batch_init(&b);
  hq_batch_words(&b, "EXISTS", HQ_INDEX_MADE_KEY, NULL);
  heroq_status status = hq_ask(l->client, &b, HQ_INDEX_MADE_KEY, l->call, err);
  *has = hq_reply_int(hq_batch_reply(&b, 0), 0) > 0;
  hq_batch_free(&b);
  return status;
}

/* ---- by name ---- */

static void put_bound(hq_batch *b, const char *mark, const char *text, const char *end) {
  hq_buf bound = {0};
  hq_buf_text(&bound, mark);
  hq_buf_text(&bound, text);
  hq_buf_text(&bound, end);
  hq_batch_text_arg(b, hq_buf_cstr(&bound));
  if (bound.failed) b->failed = true;
  hq_buf_free(&bound);
}

static void put_by_name(hq_batch *b, hq_listing *l) {
  bool first = !strcmp(l->cursor, "0");
  hq_batch_begin(b, 8, -1);
  hq_batch_text_arg(b, "ZRANGE");
  hq_batch_text_arg(b, key_of(l));
  put_bound(b, first ? "[" : "(", first ? l->id_prefix : l->cursor + 1, "");
  put_bound(b, "(", l->id_prefix, "\x7f"); /* behind all that an id may have */
  hq_batch_text_arg(b, "BYLEX");
  hq_batch_text_arg(b, "LIMIT");
  hq_batch_int(b, 0);
  hq_batch_int(b, l->look);
}

static heroq_status next_by_name(hq_listing *l, hq_slice last, heroq_error *err) {
  hq_buf cursor = {0};
  hq_buf_char(&cursor, 'p');
  hq_buf_add(&cursor, last.p, last.n);
  return hq_listing_take_cursor(l, &cursor, err);
}

/* ---- by time ---- */

/* Jobs are in the index by when they were submitted. What was made since then was submitted since then, but for clocks that
 * differ. What was made before then may have been submitted later: only where a scan follows it may be left to that. */
static int64_t lowest(const hq_listing *l) { return l->since > HQ_CLOCKS_MS ? l->since - HQ_CLOCKS_MS : INT64_MIN; }

static int64_t highest(const hq_listing *l) {
  return l->before && l->source == HQ_SOURCE_AUTO ? l->before + HQ_CLOCKS_MS : INT64_MAX;
}

static void put_score(hq_batch *b, int64_t score) {
  if (score == INT64_MIN)
    hq_batch_text_arg(b, "-inf");
  else if (score == INT64_MAX)
    hq_batch_text_arg(b, "+inf");
  else
    hq_batch_int(b, score);
}

static void read_time_cursor(const hq_listing *l, int64_t *time, int64_t *skip) {
  const char *point = strchr(l->cursor, '.');
  *time = *skip = 0;
  if (*l->cursor != 't' || !point) return;
  hq_slice_to_int64((hq_slice){l->cursor + 1, (size_t)(point - l->cursor - 1)}, time);
  hq_slice_to_int64(hq_slice_of(point + 1), skip);
}

/* The newest first. */
static void put_by_time(hq_batch *b, hq_listing *l) {
  int64_t time, skip;
  read_time_cursor(l, &time, &skip);
  hq_batch_begin(b, 10, -1);
  hq_batch_text_arg(b, "ZRANGE");
  hq_batch_text_arg(b, key_of(l));
  put_score(b, time ? time : highest(l));
  put_score(b, lowest(l));
  hq_batch_text_arg(b, "BYSCORE");
  hq_batch_text_arg(b, "REV");
  hq_batch_text_arg(b, "LIMIT");
  hq_batch_int(b, skip);
  hq_batch_int(b, l->look);
  hq_batch_text_arg(b, "WITHSCORES");
}

static int64_t score_of(hq_slice s) { return s.n ? (int64_t)strtod(s.p, NULL) : 0; }

static int64_t time_at(const hq_reply *r, uint32_t i) { return score_of(hq_reply_str(hq_reply_at(r, 2 * i + 1))); }

static heroq_status next_by_time(hq_listing *l, const hq_reply *r, uint32_t n, heroq_error *err) {
  int64_t before, skip, last = time_at(r, n - 1), same = 0;
  hq_buf cursor = {0};
  read_time_cursor(l, &before, &skip);
  for (uint32_t i = n; i-- > 0 && time_at(r, i) == last;) same++;
  hq_buf_char(&cursor, 't');
  hq_buf_int(&cursor, last);
  hq_buf_char(&cursor, '.');
  hq_buf_int(&cursor, same + (last == before ? skip : 0));
  return hq_listing_take_cursor(l, &cursor, err);
}

/* ---- both ---- */

/* Their hashes may be gone, and say what the index has forgotten. */
static heroq_status read_ids(hq_listing *l, const hq_reply *r, uint32_t n, uint32_t each, heroq_error *err) {
  hq_slice *id = calloc(n + 1, sizeof *id);
  if (!id) return hq_fail_nomem(err);
  uint32_t kept = 0;
  for (uint32_t i = 0; i < n; i++) {
    hq_slice one = hq_reply_str(hq_reply_at(r, i * each));
    if (hq_wire_id_ok(one) && hq_listing_id_fits(l, one)) id[kept++] = one;
  }
  heroq_status status = hq_listing_read(l, id, kept, err);
  free(id);
  return status;
}

heroq_status hq_listing_walk(hq_listing *l, heroq_error *err) {
  hq_batch b;
  bool named = hq_listing_by_name(l);
  uint32_t each = named ? 1 : 2;
  int64_t look = l->look;
  hq_batch_init(&b);
  (named ? put_by_name : put_by_time)(&b, l);
  heroq_status status = l->key.failed ? hq_fail_nomem(err) : hq_ask(l->client, &b, l->key.p, l->call, err);
  const hq_reply *r = hq_batch_reply(&b, 0);
  uint32_t n = hq_reply_count(r) / each;
  if (!status && n) status = read_ids(l, r, n, each, err);
  if (!status && n < look)
    status = hq_listing_set_cursor(l, hq_slice_of("0"), err);
  else if (!status)
    status = named ? next_by_name(l, hq_reply_str(hq_reply_at(r, n - 1)), err) : next_by_time(l, r, n, err);
  hq_batch_free(&b);
  return status;
}

/* An hour may pass from the walk to here, in which `before` grows: what came between comes twice rather than never. */
static bool was_walked(const hq_listing *l, int64_t at) {
  return at >= lowest(l) && (highest(l) == INT64_MAX || at <= l->before);
}

heroq_status hq_listing_told(hq_listing *l, const hq_slice *id, uint32_t n, bool *told, heroq_error *err) {
  hq_batch b;
  bool named = hq_listing_by_name(l);
  if (!n) return HEROQ_OK;
  hq_batch_init(&b);
  hq_batch_begin(&b, n + 2, -1);
  hq_batch_text_arg(&b, "ZMSCORE");
  hq_batch_text_arg(&b, key_of(l));
  for (uint32_t i = 0; i < n; i++) hq_batch_slice(&b, id[i]);
  heroq_status status = l->key.failed ? hq_fail_nomem(err) : hq_ask(l->client, &b, l->key.p, l->call, err);
  for (uint32_t i = 0; i < n && !status; i++) {
    hq_slice s = hq_reply_str(hq_reply_at(hq_batch_reply(&b, 0), i));
    int64_t at = score_of(s);
    told[i] = s.p && hq_wire_id_ok(id[i]) && (named || was_walked(l, at));
  }
  hq_batch_free(&b);
  return status;
}
