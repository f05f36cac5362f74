/* Finding keys on the server: bounded walks, and the queues that only foreign programs use. Reads only. */
#include "find.h"

#include <stdio.h>
#include <string.h>

#include "client_state.h"
#include "clock.h"
#include "errors.h"
#include "keys_private.h"
#include "wait.h"

enum {
  LOOK = 1000,    /* keys that one SCAN looks at: well below 10 ms of the server */
  SEARCH_MS = 40, /* of one call of a search, which may take FEW_LOOKS in any case */
  FEW_LOOKS = 16,
  FRESH_MS = 30000, /* a search that needed several calls begins anew so long after it was through */
  MOST_QUEUES = 10000,
};

/* ---- errands ---- */

hq_errand hq_errand_of(heroq_client *c, heroq_call *call) {
  return (hq_errand){c, call, hq_wait_deadline(HEROQ_FOREVER, call)};
}

heroq_status hq_errand_run(const hq_errand *e, hq_batch *b, heroq_error *err) {
  return hq_client_exchange(e->client, b, e->deadline, e->call, err);
}

heroq_status hq_errand_all(const hq_errand *e, hq_batch *b, const char *what, heroq_error *err) {
  heroq_status status = hq_errand_run(e, b, err);
  for (uint32_t i = 0; i < b->count && !status; i++) status = hq_reply_to_error(hq_batch_reply(b, i), what, err);
  return status;
}

/* ---- keys ---- */

static heroq_status scan_once(const hq_errand *e, const char *pattern, const char *type, hq_cursor *cursor,
                              uint32_t most, hq_names *out, bool *full, heroq_error *err) {
  hq_batch b;
  hq_batch_init(&b);
  hq_batch_begin(&b, 8, -1);
  hq_batch_text_arg(&b, "SCAN");
  hq_batch_text_arg(&b, cursor->text);
  hq_batch_text_arg(&b, "MATCH");
  hq_batch_text_arg(&b, pattern);
  hq_batch_text_arg(&b, "COUNT");
  hq_batch_int(&b, LOOK);
  hq_batch_text_arg(&b, "TYPE");
  hq_batch_text_arg(&b, type);
  heroq_status status = hq_errand_all(e, &b, "SCAN", err);
  const hq_reply *r = hq_batch_reply(&b, 0), *keys = hq_reply_at(r, 1);
  hq_slice next = hq_reply_str(hq_reply_at(r, 0));
  if (!status && (!next.n || next.n >= sizeof cursor->text))
    status = hq_fail(err, HEROQ_E_PROTOCOL, "SCAN answered without a cursor");
  if (!status) memcpy(cursor->text, next.p, next.n + 1);
  for (uint32_t k = 0; k < hq_reply_count(keys) && !status && !*full; k++) {
    *full = out->n == most;
    if (!*full && !hq_names_add(out, hq_reply_str(hq_reply_at(keys, k)))) status = hq_fail_nomem(err);
  }
  hq_batch_free(&b);
  return status;
}

static bool at_end(const hq_cursor *cursor) { return !strcmp(cursor->text, "0"); }

heroq_status hq_find_keys(const hq_errand *e, const char *pattern, const char *type, uint32_t rounds, uint32_t most,
                          hq_names *out, bool *whole, heroq_error *err) {
  hq_cursor cursor = {"0"};
  heroq_status status = HEROQ_OK;
  bool full = false;
  *whole = false;
  for (uint32_t i = 0; i < rounds && !status && !*whole && out->n < most; i++) {
    status = scan_once(e, pattern, type, &cursor, most, out, &full, err);
    *whole = !status && !full && at_end(&cursor);
  }
  hq_names_sort(out);
  return status;
}

/* ---- queues ---- */

static bool is_queue(hq_slice key) {
  hq_slice type, group, instance;
  return hq_key_queue_parts(key, &type, &group, &instance);
}

static heroq_status known_queues(const hq_errand *e, hq_names *out, heroq_error *err) {
  char last[16];
  hq_batch b;
  hq_batch_init(&b);
  snprintf(last, sizeof last, "%d", MOST_QUEUES - 1);
  hq_batch_words(&b, "ZRANGE", HQ_QUEUES_KEY, "0", last, NULL);
  heroq_status status = hq_errand_all(e, &b, HQ_QUEUES_KEY, err);
  const hq_reply *known = hq_batch_reply(&b, 0);
  for (uint32_t i = 0; i < hq_reply_count(known) && !status; i++) {
    hq_slice key = hq_reply_str(hq_reply_at(known, i));
    if (is_queue(key) && !hq_names_add(out, key)) status = hq_fail_nomem(err);
  }
  hq_batch_free(&b);
  return status;
}

/* Another thread may search at the same time: each goes on with a copy, and what the last one puts back is whole in itself. */
static heroq_status copy_search(heroq_client *c, hq_search *out, heroq_error *err) {
  pthread_mutex_lock(&c->lock);
  *out = (hq_search){.cursor = c->search.cursor,
                     .calls = c->search.calls,
                     .through = c->search.through,
                     .cut = c->search.cut,
                     .whole = c->search.whole};
  bool ok = hq_names_add_all(&out->found, &c->search.found) && hq_names_add_all(&out->last, &c->search.last);
  pthread_mutex_unlock(&c->lock);
  return ok ? HEROQ_OK : hq_fail_nomem(err);
}

static void keep_search(heroq_client *c, hq_search *s) {
  pthread_mutex_lock(&c->lock);
  hq_search before = c->search;
  c->search = *s;
  pthread_mutex_unlock(&c->lock);
  hq_search_free(&before);
  *s = (hq_search){0};
}

void hq_search_free(hq_search *s) {
  hq_names_free(&s->found);
  hq_names_free(&s->last);
}

/* Through: what this search found replaces what the one before did. */
static void end_search(hq_search *s, int64_t now) {
  hq_names_sort(&s->found);
  hq_names_free(&s->last);
  s->last = s->found;
  s->found = (hq_names){0};
  s->through = now;
  s->whole = !s->cut;
}

static heroq_status search(const hq_errand *e, hq_search *s, heroq_error *err) {
  int64_t begin = hq_mono_ms();
  heroq_status status = HEROQ_OK;
  if (!*s->cursor.text || at_end(&s->cursor)) {
    if (s->calls > 1 && begin - s->through < FRESH_MS) return HEROQ_OK;
    s->cursor = (hq_cursor){"0"};
    s->calls = 0;
    s->cut = false;
  }
  s->calls++;
  int looks = 0;
  do status = scan_once(e, HQ_WORK_PREFIX "*", "list", &s->cursor, MOST_QUEUES, &s->found, &s->cut, err);
  while (!status && !at_end(&s->cursor) && (++looks < FEW_LOOKS || hq_mono_ms() - begin < SEARCH_MS));
  if (!status && at_end(&s->cursor)) end_search(s, hq_mono_ms());
  return status;
}

static bool add_queues(hq_names *out, const hq_names *keys) {
  bool ok = true;
  for (uint32_t i = 0; i < keys->n && ok; i++) {
    hq_slice key = hq_slice_of(keys->name[i]);
    ok = !is_queue(key) || hq_names_add(out, key);
  }
  return ok;
}

heroq_status hq_find_queues(const hq_errand *e, hq_names *out, bool *whole, heroq_error *err) {
  hq_search s = {0};
  heroq_status status = known_queues(e, out, err);
  if (!status) status = copy_search(e->client, &s, err);
  if (!status) status = search(e, &s, err);
  if (!status && !(add_queues(out, &s.found) && add_queues(out, &s.last))) status = hq_fail_nomem(err);
  hq_names_sort(out);
  *whole = s.whole && out->n < MOST_QUEUES;
  if (!status) keep_search(e->client, &s);
  hq_search_free(&s);
  return status;
}
