/* The redis-cli lines by which a person follows one job, and what the server answers to them, as redis-cli prints it. Reads
 * only, and only a bounded part of each list. */
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "errors.h"
#include "keys_private.h"
#include "record_private.h"
#include "stop.h"
#include "store.h"
#include "supervisor_private.h"

#define LIST_END "99"         /* of the lists, the first hundred */
#define LOOK_AT_MOST "100000" /* ids of a queue among which the job is looked for */
#define CTL_KEPT "256"

enum { MOST_LINES = 32, MOST_WORDS = 8 /* a NULL ends them */ };

typedef struct lines {
  hq_batch b;
  hq_buf text; /* the commands as a person writes them */
  size_t at[MOST_LINES + 1];
  uint32_t n;
} lines;

/* ---- as redis-cli has it ---- */

static void quoted(hq_buf *out, hq_slice s) {
  static const char plain[] = "\\\"\n\r\t\a\b", letter[] = "\\\"nrtab";
  hq_buf_char(out, '"');
  for (size_t i = 0; i < s.n; i++) {
    unsigned char c = (unsigned char)s.p[i];
    const char *known = c ? strchr(plain, c) : NULL;
    char hex[8];
    if (known) {
      hq_buf_char(out, '\\');
      hq_buf_char(out, letter[known - plain]);
    } else if (c >= 0x20 && c < 0x7f) {
      hq_buf_char(out, (char)c);
    } else {
      snprintf(hex, sizeof hex, "\\x%02x", c);
      hq_buf_text(out, hex);
    }
  }
  hq_buf_char(out, '"');
}

static void item(hq_buf *out, const hq_reply *r) {
  if (!r || r->type == HQ_NIL) {
    hq_buf_text(out, "(nil)");
  } else if (r->type == HQ_INT) {
    hq_buf_text(out, "(integer) ");
    hq_buf_int(out, r->integer);
  } else if (r->type == HQ_ERROR) {
    hq_buf_text(out, "(error) ");
    hq_buf_add(out, r->str.p, r->str.n);
  } else if (r->type == HQ_ARRAY) {
    hq_buf_text(out, "(array)"); /* none of these commands answers one in another */
  } else {
    quoted(out, r->str);
  }
}

static void answer(hq_buf *out, const hq_reply *r) {
  uint32_t n = hq_reply_count(r), width = (uint32_t)snprintf(NULL, 0, "%u", n);
  char number[24];
  if (!r || r->type != HQ_ARRAY) {
    item(out, r);
    return;
  }
  if (!n) hq_buf_text(out, "(empty array)");
  for (uint32_t i = 0; i < n; i++) {
    snprintf(number, sizeof number, "%s%*u) ", i ? "\n" : "", (int)width, i + 1);
    hq_buf_text(out, number);
    item(out, hq_reply_at(r, i));
  }
}

/* ---- what is asked ---- */

static void add_word(hq_buf *out, const char *word) {
  static const char safe[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789:._-{}";
  if (*word && strspn(word, safe) == strlen(word))
    hq_buf_text(out, word);
  else
    quoted(out, hq_slice_of(word));
}

static void ask(lines *l, const char *const *word) {
  uint32_t n = 0;
  while (word[n]) n++;
  hq_batch_begin(&l->b, n, -1);
  l->at[l->n++] = l->text.n;
  for (uint32_t i = 0; i < n; i++) {
    hq_batch_text_arg(&l->b, word[i]);
    if (i) hq_buf_char(&l->text, ' ');
    add_word(&l->text, word[i]);
  }
  l->at[l->n] = l->text.n;
}
#define ASK(...) ask(l, (const char *const[MOST_WORDS]){__VA_ARGS__})

static void ask_about_hash(lines *l, const char *job) {
  ASK("HGETALL", job);
  ASK("HGET", job, "status");
  ASK("HGET", job, "output");
  ASK("HGET", job, "error");
  ASK("PTTL", job);
}

static void ask_about_list(lines *l, const char *key) {
  ASK("LLEN", key);
  ASK("LRANGE", key, "0", LIST_END);
}

/* Where the id may be: in the queue (the next to be taken is the last one), held, delayed, asked to stop, dead. */
static void ask_about_queue(lines *l, const hq_qkeys *q, const char *id) {
  ask_about_list(l, q->key[HQ_Q].p);
  ASK("LPOS", q->key[HQ_Q].p, id, "RANK", "-1", "MAXLEN", LOOK_AT_MOST);
  ASK("ZSCORE", q->key[HQ_Q_LEASES].p, id);
  ASK("HGET", q->key[HQ_Q_HOLDERS].p, id);
  ASK("ZSCORE", q->key[HQ_Q_DELAYED].p, id);
  ASK("ZSCORE", q->key[HQ_Q_STOPS].p, id);
  ASK("ZSCORE", q->key[HQ_Q_DEAD].p, id);
  ASK("HGET", q->key[HQ_Q_REASONS].p, id);
  ASK("HGET", q->key[HQ_Q_META].p, "paused");
}

static void ask_all(lines *l, const char *job, const char *id, const hq_reply *fields) {
  hq_slice type = hq_reply_str(hq_reply_at(fields, 2));
  hq_buf key = {0}, ctl = {0};
  hq_qkeys q;
  hq_key_reply_of(&key, hq_slice_of(id));
  ask_about_hash(l, job);
  if (hq_known_queue(hq_reply_str(hq_reply_at(fields, 3)), type, &q) == HEROQ_OK) {
    ask_about_queue(l, &q, id);
    hq_qkeys_free(&q);
  }
  ask_about_list(l, hq_buf_cstr(&key));
  if (hq_name_ok(type)) {
    hq_key_ctl(&ctl, type.p);
    ASK("LPOS", hq_buf_cstr(&ctl), id, "MAXLEN", CTL_KEPT);
  }
  l->b.failed = l->b.failed || key.failed || ctl.failed || l->text.failed;
  hq_buf_free(&ctl);
  hq_buf_free(&key);
}

/* ---- the record ---- */

static heroq_status make_record(lines *l, bool found, heroq_record **out, heroq_error *err) {
  heroq_record *page = hq_record_new(), *rows = hq_record_list();
  bool failed = false;
  for (uint32_t i = 0; i < l->n; i++) {
    heroq_record *row = hq_record_new();
    hq_buf text = {0};
    answer(&text, hq_batch_reply(&l->b, i));
    failed = failed || text.failed;
    hq_record_add_slice(row, "command", (hq_slice){l->text.p + l->at[i], l->at[i + 1] - l->at[i]});
    hq_record_add_slice(row, "answer", (hq_slice){hq_buf_cstr(&text), text.n});
    hq_record_add_child(rows, "", row);
    hq_buf_free(&text);
  }
  hq_record_add_child(page, "rows", rows);
  hq_record_add_int(page, "found", found);
  heroq_status status = hq_record_finish(page, out, err);
  if (status || !failed) return status;
  heroq_record_free(*out);
  *out = NULL;
  return hq_fail_nomem(err);
}

heroq_status heroq_supervisor_redis_lines(heroq_supervisor *self, const char *job_id, heroq_record **out,
                                          heroq_call *call, heroq_error *err) {
  hq_buf key = {0};
  hq_batch look;
  lines l = {0};
  if (!out) return hq_fail(err, HEROQ_E_INVALID, "heroq_supervisor_redis_lines: out is NULL");
  *out = NULL;
  heroq_status status = hq_supervisor_enter_id(self, job_id, &key, err);
  if (status) return status;
  hq_batch_init(&look);
  hq_batch_init(&l.b);
  hq_batch_words(&look, "HMGET", hq_buf_cstr(&key), "status", "script", "script_type", "hq_queue", NULL);
  status = hq_client_exchange(self->client, &look, HQ_NEVER, call, err);
  const hq_reply *fields = hq_batch_reply(&look, 0);
  bool found = hq_reply_str(hq_reply_at(fields, 0)).p || hq_reply_str(hq_reply_at(fields, 1)).p;
  if (status == HEROQ_OK) {
    ask_all(&l, hq_buf_cstr(&key), job_id, fields);
    status = hq_client_exchange(self->client, &l.b, HQ_NEVER, call, err);
  }
  if (status == HEROQ_OK) status = make_record(&l, found, out, err);
  hq_buf_free(&l.text);
  hq_batch_free(&l.b);
  hq_batch_free(&look);
  hq_buf_free(&key);
  return status ? status : hq_ok(err);
}
