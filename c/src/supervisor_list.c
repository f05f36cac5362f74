/* The supervisor lists jobs, page by page: which way they are found, and when a page is done. */
#include <string.h>

#include "clock.h"
#include "errors.h"
#include "keys_private.h"
#include "listing.h"
#include "supervisor_private.h"

#define PAGE_MS 100 /* a filter that next to nothing fits must not hold a page up: the rest comes with the next ones */

static bool at_end(const hq_listing *l) { return !strcmp(l->cursor, "0"); }

static bool in_index(const hq_listing *l) { return *l->cursor == 't' || *l->cursor == 'p'; }

/* ---- a page ---- */

/* As many as it takes at the rate so far; more and more where next to nothing fits. */
static int64_t next_look(const hq_listing *l) {
  int64_t wanted = l->count - l->found, look = l->look * 4;
  if (l->found) look = wanted * l->looked / l->found + 1;
  return look < 1 ? 1 : look < HQ_LOOK_MOST ? look : HQ_LOOK_MOST;
}

typedef heroq_status look_at(hq_listing *l, heroq_error *err);

static heroq_status fill_page(hq_listing *l, look_at *look, heroq_error *err) {
  int64_t begin = hq_mono_ms();
  l->look = l->count < HQ_LOOK_MOST ? l->count : HQ_LOOK_MOST;
  for (;;) {
    heroq_status status = look(l, err);
    l->looked += l->look;
    if (status || at_end(l) || l->found >= l->count || hq_mono_ms() - begin >= PAGE_MS) return status;
    l->look = next_look(l);
  }
}

/* Auto: behind the index comes the scan, for what it lacks. */
static heroq_status walk(hq_listing *l, bool first, bool *scanned, heroq_error *err) {
  heroq_error why = {0};
  heroq_status status = fill_page(l, hq_listing_walk, &why);
  bool unread = status == HEROQ_E_WRONG_TYPE || status == HEROQ_E_DENIED, may_scan = l->source == HQ_SOURCE_AUTO;
  if (status && !(unread && first && may_scan)) {
    hq_error_copy(err, &why);
    return status;
  }
  if (may_scan && (status || at_end(l))) strcpy(l->cursor, status ? "0" : "s0");
  *scanned = may_scan && !l->found && !in_index(l);
  return HEROQ_OK;
}

/* The cursor knows where it came from. */
static heroq_status find_jobs(hq_listing *l, bool *scanned, heroq_error *err) {
  bool first = at_end(l), has = in_index(l) || (first && l->source == HQ_SOURCE_INDEX);
  heroq_status status = HEROQ_OK;
  *scanned = true;
  if (first && l->source == HQ_SOURCE_AUTO) status = hq_listing_has_index(l, &has, err);
  if (status == HEROQ_E_DENIED) status = HEROQ_OK;
  if (!status && has) status = walk(l, first, scanned, err);
  return status || !*scanned ? status : fill_page(l, hq_listing_scan, err);
}

static heroq_status list_page(hq_listing *l, heroq_record **out, heroq_error *err) {
  bool scanned;
  l->rows = hq_record_list();
  heroq_status status = find_jobs(l, &scanned, err);
  if (status) {
    heroq_record_free(l->rows);
    return status;
  }
  heroq_record *page = hq_record_new();
  hq_record_add_child(page, "rows", l->rows);
  hq_record_add_text(page, "cursor", l->cursor);
  hq_record_add_text(page, "source", scanned ? "scan" : "index");
  hq_record_add_int(page, "whole", scanned && at_end(l));
  return hq_record_finish(page, out, err);
}

/* ---- the call ---- */

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

static heroq_status read_cursor(hq_listing *l, const char *cursor, heroq_error *err) {
  static const char digits[] = "0123456789";
  if (!cursor || !*cursor) cursor = "0";
  const char *rest = cursor + (*cursor == 's' || *cursor == 't');
  bool scan = *cursor != 't' && strspn(rest, digits) == strlen(rest);
  bool time = *cursor == 't' && !hq_listing_by_name(l) && strspn(rest, "0123456789.") == strlen(rest);
  bool name = *cursor == 'p' && hq_listing_by_name(l) && !strncmp(cursor + 1, l->id_prefix, strlen(l->id_prefix));
  if (strlen(cursor) >= sizeof l->cursor || !(scan || time || name))
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
  hq_listing l = {.client = self->client,
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
  hq_buf_free(&l.key);
  heroq_options_free(o);
  return status ? status : hq_ok(err);
}
