/* Finding jobs by a walk over all keys, a bounded look at a time. */
#include <stdlib.h>
#include <string.h>

#include "errors.h"
#include "keys_private.h"
#include "listing.h"
#include "store.h"

static void add_escaped(hq_buf *b, const char *text) {
  for (; *text; text++) {
    if (strchr("*?[]\\^", *text)) hq_buf_char(b, '\\');
    hq_buf_char(b, *text);
  }
}

/* So that the server passes over ids that do not fit. */
static void make_pattern(const hq_listing *l, hq_buf *out) {
  hq_buf_text(out, HQ_JOB_PREFIX);
  add_escaped(out, l->id_prefix);
  hq_buf_char(out, '*');
  if (!*l->text || *l->id_prefix) return;
  add_escaped(out, l->text);
  hq_buf_char(out, '*');
}

static bool behind_index(const hq_listing *l) { return *l->cursor == 's'; }

static heroq_status ask(const hq_listing *l, hq_batch *b, heroq_error *err) {
  hq_buf pattern = {0};
  make_pattern(l, &pattern);
  hq_batch_begin(b, 8, -1);
  hq_batch_text_arg(b, "SCAN");
  hq_batch_text_arg(b, l->cursor + behind_index(l));
  hq_batch_text_arg(b, "MATCH");
  hq_batch_text_arg(b, hq_buf_cstr(&pattern));
  hq_batch_text_arg(b, "COUNT");
  hq_batch_int(b, l->look);
  hq_batch_text_arg(b, "TYPE");
  hq_batch_text_arg(b, "hash");
  bool ok = !pattern.failed;
  hq_buf_free(&pattern);
  return ok ? hq_ask(l->client, b, "SCAN", l->call, err) : hq_fail_nomem(err);
}

static heroq_status go_on(hq_listing *l, hq_slice cursor, heroq_error *err) {
  if (!behind_index(l) || hq_slice_is(cursor, "0")) return hq_listing_set_cursor(l, cursor, err);
  hq_buf text = {0};
  hq_buf_char(&text, 's');
  hq_buf_add(&text, cursor.p, cursor.n);
  return hq_listing_take_cursor(l, &text, err);
}

/* The ids in the keys; what is none, or does not fit, is left out. */
static uint32_t ids_in(const hq_listing *l, const hq_reply *keys, hq_slice *id) {
  uint32_t n = 0;
  size_t prefix = strlen(HQ_JOB_PREFIX);
  for (uint32_t i = 0; i < hq_reply_count(keys); i++) {
    hq_slice key = hq_reply_str(hq_reply_at(keys, i));
    if (key.n <= prefix || strlen(key.p) != key.n) continue;
    hq_slice one = {key.p + prefix, key.n - prefix};
    if (hq_listing_id_fits(l, one)) id[n++] = one;
  }
  return n;
}

static heroq_status leave_out_told(hq_listing *l, hq_slice *id, uint32_t *n, heroq_error *err) {
  bool *told = calloc(*n + 1, sizeof *told);
  if (!told) return hq_fail_nomem(err);
  heroq_status status = hq_listing_told(l, id, *n, told, err);
  uint32_t kept = 0;
  for (uint32_t i = 0; i < *n; i++)
    if (!told[i]) id[kept++] = id[i];
  *n = kept;
  free(told);
  return status;
}

heroq_status hq_listing_scan(hq_listing *l, heroq_error *err) {
  hq_batch b;
  hq_batch_init(&b);
  heroq_status status = ask(l, &b, err);
  const hq_reply *r = hq_batch_reply(&b, 0), *keys = hq_reply_at(r, 1);
  hq_slice *id = calloc(hq_reply_count(keys) + 1, sizeof *id);
  if (!status && !id) status = hq_fail_nomem(err);
  if (!status) {
    uint32_t n = ids_in(l, keys, id);
    if (behind_index(l)) status = leave_out_told(l, id, &n, err);
    if (!status) status = hq_listing_read(l, id, n, err);
  }
  if (!status) status = go_on(l, hq_reply_str(hq_reply_at(r, 0)), err);
  free(id);
  hq_batch_free(&b);
  return status;
}
