/* Batches and replies: what is asked and what was answered, as plain data. */
#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "conn.h"
#include "errors.h"

#define KEEP_TEXT (1u << 20)

void hq_batch_init(hq_batch *b) { *b = (hq_batch){0}; }

void hq_batch_reset(hq_batch *b) {
  if (b->text.cap > KEEP_TEXT) hq_buf_free(&b->text);
  b->text.n = 0;
  b->text.failed = false;
  b->count = b->answered = 0;
  b->failed = false;
  hq_arena_reset(b->arena);
}

void hq_batch_free(hq_batch *b) {
  hq_buf_free(&b->text);
  free(b->command);
  hq_arena_free(b->arena);
  *b = (hq_batch){0};
}

static void put_header(hq_buf *text, char mark, uint64_t v) {
  char digits[24], *p = digits + sizeof digits;
  *--p = '\n';
  *--p = '\r';
  do *--p = (char)('0' + v % 10);
  while ((v /= 10) != 0);
  *--p = mark;
  hq_buf_add(text, p, (size_t)(digits + sizeof digits - p));
}

void hq_batch_begin(hq_batch *b, uint32_t argc, int script) {
  if (b->count == b->cap) {
    uint32_t cap = b->cap ? b->cap * 2 : 16;
    hq_command *grown = realloc(b->command, cap * sizeof *grown);
    if (!grown) {
      b->failed = true;
      return;
    }
    b->command = grown;
    b->cap = cap;
  }
  b->command[b->count++] = (hq_command){.at = b->text.n, .script = (int16_t)script};
  put_header(&b->text, '*', argc);
}

void hq_batch_arg(hq_batch *b, const void *data, size_t n) {
  put_header(&b->text, '$', n);
  hq_buf_add(&b->text, data, n);
  hq_buf_add(&b->text, "\r\n", 2);
}

void hq_batch_text_arg(hq_batch *b, const char *text) { hq_batch_arg(b, text, strlen(text)); }

void hq_batch_slice(hq_batch *b, hq_slice s) { hq_batch_arg(b, s.p ? s.p : "", s.n); }

void hq_batch_int(hq_batch *b, int64_t v) {
  char digits[24], *p = digits + sizeof digits;
  uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
  do *--p = (char)('0' + u % 10);
  while ((u /= 10) != 0);
  if (v < 0) *--p = '-';
  hq_batch_arg(b, p, (size_t)(digits + sizeof digits - p));
}

void hq_batch_words(hq_batch *b, ...) {
  va_list words;
  uint32_t n = 0;
  va_start(words, b);
  while (va_arg(words, const char *)) n++;
  va_end(words);
  hq_batch_begin(b, n, -1);
  va_start(words, b);
  for (const char *word; (word = va_arg(words, const char *));) hq_batch_text_arg(b, word);
  va_end(words);
}

const hq_reply *hq_batch_reply(const hq_batch *b, uint32_t i) { return i < b->count ? b->command[i].reply : NULL; }

/* ---- replies ---- */

int64_t hq_reply_int(const hq_reply *r, int64_t otherwise) {
  if (!r) return otherwise;
  if (r->type == HQ_INT) return r->integer;
  int64_t v;
  return (r->type == HQ_STRING || r->type == HQ_STATUS) && hq_slice_to_int64(r->str, &v) ? v : otherwise;
}

hq_slice hq_reply_str(const hq_reply *r) {
  return r && (r->type == HQ_STRING || r->type == HQ_STATUS) ? r->str : HQ_SLICE_NONE;
}

const hq_reply *hq_reply_at(const hq_reply *r, uint32_t i) {
  return r && r->type == HQ_ARRAY && i < r->count ? &r->element[i] : NULL;
}

uint32_t hq_reply_count(const hq_reply *r) { return r && r->type == HQ_ARRAY ? r->count : 0; }

/* The first word of an error. Errors out of scripts may come as "ERR … script: …, -OOM …": the word is looked for at the
 * beginning only, because rule (h) of the scripts and the server's own errors put it there. */
static hq_slice first_word(const hq_reply *r) {
  size_t n = 0;
  while (n < r->str.n && (isupper((unsigned char)r->str.p[n]) || r->str.p[n] == '_')) n++;
  return (hq_slice){r->str.p, n};
}

bool hq_reply_is_error(const hq_reply *r, const char *word) {
  return r && r->type == HQ_ERROR && (!word || hq_slice_is(first_word(r), word));
}

static const struct {
  const char *word;
  heroq_status code;
} words[] = {
    {"NOAUTH", HEROQ_E_AUTH},
    {"WRONGPASS", HEROQ_E_AUTH},
    {"NOPERM", HEROQ_E_DENIED},
    {"DENIED", HEROQ_E_DENIED},
    {"WRONGTYPE", HEROQ_E_WRONG_TYPE},
    {"LOADING", HEROQ_E_UNAVAILABLE},
    {"READONLY", HEROQ_E_UNAVAILABLE},
    {"OOM", HEROQ_E_UNAVAILABLE},
    {"BUSY", HEROQ_E_UNAVAILABLE},
    {"MASTERDOWN", HEROQ_E_UNAVAILABLE},
    {"NOREPLICAS", HEROQ_E_UNAVAILABLE},
    {"CLUSTERDOWN", HEROQ_E_UNAVAILABLE},
    {"TRYAGAIN", HEROQ_E_UNAVAILABLE},
    {"MOVED", HEROQ_E_UNAVAILABLE},
    {"ASK", HEROQ_E_UNAVAILABLE},
    {"UNBLOCKED", HEROQ_E_UNAVAILABLE},
    {"NOSCRIPT", HEROQ_E_UNAVAILABLE},
    {"MISCONF", HEROQ_E_UNAVAILABLE},
};

heroq_status hq_reply_to_error(const hq_reply *r, const char *what, heroq_error *err) {
  if (!r) return hq_fail(err, HEROQ_E_PROTOCOL, "%s: no reply", what);
  if (r->type != HQ_ERROR) return HEROQ_OK;
  heroq_status code = HEROQ_E_SERVER;
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (hq_slice_is(first_word(r), words[i].word)) code = words[i].code;
  /* "ERR max number of clients reached" has no word of its own */
  if (code == HEROQ_E_SERVER && strstr(r->str.p, "max number of clients")) code = HEROQ_E_UNAVAILABLE;
  /* a script on a server before 7 wraps what its command was told */
  if (code == HEROQ_E_SERVER && strstr(r->str.p, "WRONGTYPE ")) code = HEROQ_E_WRONG_TYPE;
  if (code == HEROQ_E_SERVER && strstr(r->str.p, "OOM command not allowed")) code = HEROQ_E_UNAVAILABLE;
  /* a right that is missing inside a script, as Redis and as Valkey say it */
  if (code == HEROQ_E_SERVER &&
      (strstr(r->str.p, "user executing the script can't") || strstr(r->str.p, "ACL failure in script")))
    code = HEROQ_E_DENIED;
  return hq_fail(err, code, "%s: %.*s", what, (int)(r->str.n > 300 ? 300 : r->str.n), r->str.p);
}
