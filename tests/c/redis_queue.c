/* The queue as people handle it, on a real server. What stands in the structures is put there by hand, so that every
 * number has one cause. */
#include "one_server.h"

#define Q "hero:q:work:type:osis"
#define H "{" Q "}"

static heroq_client *client;
static heroq_queue *queue;
static heroq_error err;

static int open_all(void **state) {
  char url[256];
  (void)state;
  test_redis_do(server, "FLUSHALL", NULL);
  snprintf(url, sizeof url, "%s?lease=400ms&handoff_grace=100ms", server->url);
  assert_ok(heroq_client_open(url, NULL, &client, NULL, &err), &err);
  assert_ok(heroq_queue_open(client, "osis", NULL, NULL, &queue, &err), &err);
  return 0;
}

static int close_all(void **state) {
  (void)state;
  heroq_queue_free(queue);
  heroq_client_close(client);
  heroq_client_free(client);
  return 0;
}

/* ---- reading records ---- */

static int64_t number(const heroq_record *r, const char *name) {
  int32_t i = heroq_record_find(r, name);
  if (i < 0) fail_msg("no %s in the record", name);
  return heroq_record_int64(r, i);
}

static const char *text(const heroq_record *r, const char *name) {
  int32_t i = heroq_record_find(r, name);
  if (i < 0) fail_msg("no %s in the record", name);
  return heroq_record_text(r, i);
}

static heroq_record *child(const heroq_record *r, int32_t i) {
  heroq_record *out;
  assert_ok(heroq_record_child(r, i, &out, &err), &err);
  return out;
}

static heroq_record *rows_of(heroq_record *page) {
  heroq_record *rows = child(page, heroq_record_find(page, "rows"));
  heroq_record_free(page);
  return rows;
}

static int64_t stat(const char *name) {
  heroq_record *r;
  assert_ok(heroq_queue_stats(queue, &r, NULL, &err), &err);
  int64_t value = number(r, name);
  heroq_record_free(r);
  return value;
}

/* ---- listings ---- */

static void lists_known_and_foreign_queues(void **state) {
  heroq_record *page;
  (void)state;
  test_redis_do(server, "ZADD", "{heroq}:queues", "1", Q, "1", "no queue at all", NULL);
  test_redis_do(server, "LPUSH", "hero:q:work:type:sal", "a", "b", NULL);
  test_redis_do(server, "LPUSH", "hero:q:work:type:sal:group:g1:inst:i1", "c", NULL);
  test_redis_do(server, "SET", "hero:q:work:type:string", "no list", NULL);
  test_redis_do(server, "LPUSH", "hero:q:work:type:", "no name", NULL);
  test_redis_do(server, "LPUSH", "hero:q:reply:1", "x", NULL);
  assert_ok(heroq_queue_list(client, NULL, &page, NULL, &err), &err);
  assert_int_equal(number(page, "total"), 3);
  assert_int_equal(number(page, "complete"), 1);
  assert_string_equal(text(page, "cursor"), "0");
  heroq_record *rows = rows_of(page);
  assert_int_equal(heroq_record_count(rows), 3);
  heroq_record *osis = child(rows, 0), *sal = child(rows, 1), *instance = child(rows, 2);
  assert_string_equal(text(osis, "queue"), Q);
  assert_string_equal(text(osis, "script_type"), "osis");
  assert_string_equal(text(osis, "group"), "");
  assert_int_equal(number(osis, "waiting"), 0);
  assert_int_equal(number(sal, "waiting"), 2);
  assert_string_equal(text(instance, "script_type"), "sal");
  assert_string_equal(text(instance, "group"), "g1");
  assert_string_equal(text(instance, "instance"), "i1");
  assert_int_equal(number(instance, "waiting"), 1);
  heroq_record_free(osis);
  heroq_record_free(sal);
  heroq_record_free(instance);
  heroq_record_free(rows);

  heroq_options *options;
  assert_ok(heroq_options_new(&options, &err), &err);
  assert_ok(heroq_options_set(options, "count", "1", &err), &err);
  assert_ok(heroq_queue_list(client, options, &page, NULL, &err), &err);
  assert_int_equal(number(page, "total"), 3);
  rows = rows_of(page);
  assert_int_equal(heroq_record_count(rows), 1);
  heroq_record_free(rows);
  heroq_options_free(options);
}

static void lists_more_queues_than_one_pipeline(void **state) {
  heroq_record *page;
  char key[64], value[16];
  (void)state;
  for (int i = 0; i < 300; i++) {
    snprintf(key, sizeof key, "hero:q:work:type:t%03d", i);
    snprintf(value, sizeof value, "%d", i);
    test_redis_do(server, "LPUSH", key, value, i % 2 ? "second" : value, NULL);
  }
  assert_ok(heroq_queue_list(client, NULL, &page, NULL, &err), &err);
  heroq_record *rows = rows_of(page);
  assert_int_equal(heroq_record_count(rows), 300);
  for (int i = 0; i < 300; i += 99) {
    heroq_record *row = child(rows, i);
    snprintf(key, sizeof key, "t%03d", i);
    assert_string_equal(text(row, "script_type"), key);
    assert_int_equal(number(row, "waiting"), 2);
    heroq_record_free(row);
  }
  heroq_record_free(rows);
}

static void counts_every_structure(void **state) {
  (void)state;
  test_redis_do(server, "HSET", "hero:job:old", "createdAt", "2026-01-02T03:04:05.678+01:00", NULL);
  test_redis_do(server, "LPUSH", Q, "old", "newer", NULL);
  test_redis_do(server, "LPUSH", H ":handoff", "h", NULL);
  test_redis_do(server, "ZADD", H ":leases", "1500.5", "l1", "2500", "l2", NULL);
  test_redis_do(server, "ZADD", H ":delayed", "7000", "d1", "8000", "d2", "9000", "d3", NULL);
  test_redis_do(server, "ZADD", H ":dead", "1", "x1", "2", "x2", "3", "x3", "4", "x4", NULL);
  test_redis_do(server, "ZADD", H ":actors", "1", "gone", "99999999999999", "there", NULL);
  test_redis_do(server, "HSET", H ":meta", "last_reap", "4242", NULL);
  heroq_record *r;
  assert_ok(heroq_queue_stats(queue, &r, NULL, &err), &err);
  assert_int_equal(number(r, "waiting"), 2);
  assert_int_equal(number(r, "handoff"), 1);
  assert_int_equal(number(r, "in_flight"), 2);
  assert_int_equal(number(r, "delayed"), 3);
  assert_int_equal(number(r, "dead"), 4);
  assert_int_equal(number(r, "actors"), 1);
  assert_int_equal(number(r, "paused"), 0);
  assert_int_equal(number(r, "oldest"), 1767319445678);
  assert_int_equal(number(r, "oldest_lease"), 1500);
  assert_int_equal(number(r, "next_due"), 7000);
  assert_int_equal(number(r, "last_reap"), 4242);
  heroq_record_free(r);

  /* Without createdAt the id tells it, if it is a UUIDv7. */
  test_redis_do(server, "RPUSH", Q, "019b7c5a-6e4e-7000-8000-000000000000", NULL);
  assert_int_equal(stat("oldest"), 0x019b7c5a6e4e);
  test_redis_do(server, "RPUSH", Q, "anything", NULL);
  assert_int_equal(stat("oldest"), 0);
}

static void wrong_type_is_named(void **state) {
  heroq_record *r;
  (void)state;
  test_redis_do(server, "SET", Q, "x", NULL);
  assert_status(HEROQ_E_WRONG_TYPE, heroq_queue_stats(queue, &r, NULL, &err), &err);
  test_assert_text(&err, Q);
  assert_status(HEROQ_E_WRONG_TYPE, heroq_queue_page(queue, "waiting", NULL, NULL, &r, NULL, &err), &err);
  test_assert_text(&err, Q);
}

/* ---- pages ---- */

/* All ids of a view, page by page of two, as "a b c". */
static void collect(const char *what, char *out, size_t cap) {
  heroq_options *options;
  char cursor[32] = "";
  *out = 0;
  assert_ok(heroq_options_new(&options, &err), &err);
  assert_ok(heroq_options_set(options, "count", "2", &err), &err);
  for (int pages = 0; strcmp(cursor, "0") != 0; pages++) {
    heroq_record *page;
    assert_true(pages < 10);
    assert_ok(heroq_queue_page(queue, what, cursor, options, &page, NULL, &err), &err);
    snprintf(cursor, sizeof cursor, "%s", text(page, "cursor"));
    heroq_record *rows = rows_of(page);
    assert_true(heroq_record_count(rows) <= 2);
    for (int32_t i = 0; i < heroq_record_count(rows); i++) {
      heroq_record *row = child(rows, i);
      size_t n = strlen(out);
      snprintf(out + n, cap - n, "%s%s", n ? " " : "", text(row, "id"));
      heroq_record_free(row);
    }
    heroq_record_free(rows);
  }
  heroq_options_free(options);
}

static heroq_record *first_row(const char *what) {
  heroq_record *page;
  assert_ok(heroq_queue_page(queue, what, NULL, NULL, &page, NULL, &err), &err);
  heroq_record *rows = rows_of(page), *row = child(rows, 0);
  heroq_record_free(rows);
  return row;
}

static void pages_show_what_is_next_first(void **state) {
  char ids[200];
  (void)state;
  collect("waiting", ids, sizeof ids);
  assert_string_equal(ids, "");
  test_redis_do(server, "LPUSH", Q, "a", "b", "c", "d", "e", NULL);
  collect("waiting", ids, sizeof ids);
  assert_string_equal(ids, "a b c d e");
  test_redis_do(server, "ZADD", H ":leases", "30", "l3", "10.5", "l1", "20", "l2", NULL);
  test_redis_do(server, "HSET", H ":holders", "l1", "77:host.1.x", NULL);
  collect("in_flight", ids, sizeof ids);
  assert_string_equal(ids, "l1 l2 l3");
  test_redis_do(server, "ZADD", H ":delayed", "2", "d2", "1", "d1", NULL);
  collect("delayed", ids, sizeof ids);
  assert_string_equal(ids, "d1 d2");
  test_redis_do(server, "ZADD", H ":dead", "1", "x1", "2", "x2", "3", "x3", NULL);
  test_redis_do(server, "HSET", H ":reasons", "x3", "lost", NULL);
  collect("dead", ids, sizeof ids);
  assert_string_equal(ids, "x3 x2 x1");
  test_redis_do(server, "ZADD", H ":actors", "5", "host.1.x", NULL);
  test_redis_do(server, "SET", H ":actor:host.1.x", "{\"id\":\"osis_1\"}", NULL);

  heroq_record *row = first_row("in_flight");
  assert_string_equal(text(row, "holder"), "77:host.1.x");
  assert_int_equal(number(row, "time"), 10);
  heroq_record_free(row);
  row = first_row("dead");
  assert_string_equal(text(row, "reason"), "lost");
  assert_int_equal(number(row, "time"), 3);
  heroq_record_free(row);
  row = first_row("actors");
  assert_string_equal(text(row, "id"), "host.1.x");
  assert_string_equal(text(row, "info"), "{\"id\":\"osis_1\"}");
  heroq_record_free(row);
}

static void wrong_pages_are_errors(void **state) {
  heroq_record *r;
  (void)state;
  assert_status(HEROQ_E_INVALID, heroq_queue_page(queue, "running", NULL, NULL, &r, NULL, &err), &err);
  test_assert_text(&err, "in_flight");
  assert_status(HEROQ_E_INVALID, heroq_queue_page(queue, NULL, NULL, NULL, &r, NULL, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_queue_page(queue, "dead", "-1", NULL, &r, NULL, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_queue_page(queue, "dead", "x", NULL, &r, NULL, &err), &err);
  test_assert_text(&err, "\"x\"");
  assert_status(HEROQ_E_INVALID, heroq_queue_page(queue, "dead", NULL, NULL, NULL, NULL, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_queue_page(NULL, "dead", NULL, NULL, &r, NULL, &err), &err);
}

/* ---- pause, dead letters ---- */

static void pauses_and_resumes(void **state) {
  heroq_record *page;
  (void)state;
  assert_ok(heroq_queue_pause(queue, NULL, &err), &err);
  assert_ok(heroq_queue_pause(queue, NULL, &err), &err);
  assert_int_equal(stat("paused"), 1);
  assert_int_equal(test_redis_int(server, "HEXISTS", H ":meta", "paused", NULL), 1);
  assert_ok(heroq_queue_list(client, NULL, &page, NULL, &err), &err); /* empty and unused, but listed */
  assert_int_equal(number(page, "total"), 1);
  heroq_record_free(page);
  assert_ok(heroq_queue_resume(queue, NULL, &err), &err);
  assert_ok(heroq_queue_resume(queue, NULL, &err), &err);
  assert_int_equal(stat("paused"), 0);
}

static void purges_the_dead(void **state) {
  int64_t removed = -1;
  char id[16];
  (void)state;
  for (int i = 0; i < 600; i++) {
    snprintf(id, sizeof id, "x%d", i);
    test_redis_do(server, "ZADD", H ":dead", "1", id, NULL);
    test_redis_do(server, "HSET", H ":reasons", id, "lost", NULL);
  }
  test_redis_do(server, "HSET", "hero:job:x7", "status", "error", NULL);
  assert_ok(heroq_queue_purge_dead(queue, "x7", &removed, NULL, &err), &err);
  assert_int_equal(removed, 1);
  assert_ok(heroq_queue_purge_dead(queue, "x7", &removed, NULL, &err), &err);
  assert_int_equal(removed, 0);
  assert_int_equal(test_redis_int(server, "ZCARD", H ":dead", NULL), 599);
  assert_int_equal(test_redis_int(server, "HEXISTS", H ":reasons", "x7", NULL), 0);
  test_redis_do(server, "ZADD", H ":dead", "99999999999999", "later", NULL);
  assert_ok(heroq_queue_purge_dead(queue, NULL, &removed, NULL, &err), &err);
  assert_int_equal(test_redis_int(server, "HLEN", H ":reasons", NULL), 0);
  assert_true(test_redis_int(server, "ZCARD", H ":dead", NULL) <= 1);
  assert_true(removed >= 599);
  assert_int_equal(test_redis_int(server, "EXISTS", "hero:job:x7", NULL), 1); /* the hash stays as it is */
  assert_status(HEROQ_E_INVALID, heroq_queue_purge_dead(queue, "a b", &removed, NULL, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_queue_purge_dead(queue, "", &removed, NULL, &err), &err);
}

/* ---- tending ---- */

static void tend(int64_t promoted, int64_t returned, int64_t lost) {
  heroq_record *r;
  test_sleep_ms(60); /* REAP answers nothing within half an interval of the last one */
  assert_ok(heroq_queue_tend(queue, &r, NULL, &err), &err);
  assert_int_equal(number(r, "promoted"), promoted);
  assert_int_equal(number(r, "returned"), returned);
  assert_int_equal(number(r, "lost"), lost);
  heroq_record_free(r);
}

static void hold(const char *id, const char *times_lost) {
  test_redis_do(server, "ZADD", H ":leases", "1", id, NULL);
  test_redis_do(server, "HSET", H ":holders", id, "5:host.1.x", NULL);
  if (times_lost) test_redis_do(server, "HSET", H ":recoveries", id, times_lost, NULL);
}

static void assert_let_go(const char *id) {
  assert_int_equal(test_redis_int(server, "HEXISTS", H ":holders", id, NULL), 0);
  assert_int_equal(test_redis_int(server, "ZSCORE", H ":leases", id, NULL), -1);
}

static void assert_dead(const char *id, const char *reason) {
  char *why = test_redis_text(server, "HGET", H ":reasons", id, NULL);
  assert_non_null(why);
  assert_string_equal(why, reason);
  free(why);
  assert_true(test_redis_int(server, "ZSCORE", H ":dead", id, NULL) > 0);
  assert_let_go(id);
}

static void assert_field(const char *key, const char *field, const char *wanted) {
  char *got = test_redis_text(server, "HGET", key, field, NULL);
  if (!got || strcmp(got, wanted) != 0) fail_msg("%s of %s is %s, not %s", field, key, got ? got : "nil", wanted);
  free(got);
}

static void tend_promotes_and_returns(void **state) {
  (void)state;
  tend(0, 0, 0);
  test_redis_do(server, "ZADD", H ":delayed", "1", "due", "99999999999999", "later", NULL);
  hold("silent", NULL);
  tend(1, 1, 0);
  assert_int_equal(test_redis_int(server, "LLEN", Q, NULL), 2);
  assert_let_go("silent");
  assert_int_equal(stat("delayed"), 1);
  assert_true(stat("last_reap") > 0);
}

static void tend_empties_full_batches(void **state) {
  (void)state;
  for (int i = 0; i < 350; i++) {
    char id[16];
    snprintf(id, sizeof id, "d%d", i);
    test_redis_do(server, "ZADD", H ":delayed", "1", id, NULL);
    snprintf(id, sizeof id, "l%d", i);
    hold(id, NULL);
  }
  tend(350, 350, 0);
  assert_int_equal(test_redis_int(server, "LLEN", Q, NULL), 700);
  assert_int_equal(test_redis_int(server, "HLEN", H ":holders", NULL), 0);
}

static void tend_returns_old_handoff(void **state) {
  (void)state;
  test_redis_do(server, "LPUSH", H ":handoff", "h", NULL);
  tend(0, 0, 0); /* seen for the first time */
  test_sleep_ms(100);
  tend(0, 1, 0);
  assert_int_equal(test_redis_int(server, "LLEN", H ":handoff", NULL), 0);
  assert_int_equal(test_redis_int(server, "LLEN", Q, NULL), 1);
}

static void tend_ends_the_lost_and_answers_who_waits(void **state) {
  (void)state;
  test_redis_do(server, "HSET", "hero:job:p", "script", "x", "status", "started", "hq_token", "5:host.1.x", "hq_queue",
                Q, "hq_reply_to", "hero:q:reply:p", "hq_ttl", "60000", NULL);
  hold("p", "3");
  tend(0, 0, 1);
  assert_dead("p", "lost");
  assert_field("hero:job:p", "status", "error");
  assert_field("hero:job:p", "hq_dead", "lost");
  char *error = test_redis_text(server, "HGET", "hero:job:p", "error", NULL);
  char *reply = test_redis_text(server, "LINDEX", "hero:q:reply:p", "0", NULL);
  assert_non_null(error);
  assert_non_null(reply);
  assert_string_equal(reply, error);
  assert_non_null(strstr(error, "lost"));
  free(reply);
  free(error);
  assert_true(test_redis_int(server, "PTTL", "hero:q:reply:p", NULL) > 0);
}

static void tend_follows_every_verdict(void **state) {
  (void)state;
  /* It had ended: only the lease goes. */
  test_redis_do(server, "HSET", "hero:job:done", "script", "x", "status", "Finished", "output", "42", NULL);
  hold("done", "3");
  /* Somebody had asked it to stop: it ends as cancelled, not in the dead letters. */
  test_redis_do(server, "HSET", "hero:job:stop", "script", "x", "status", "stopping", NULL);
  hold("stop", "3");
  /* Its hash is no hash. */
  test_redis_do(server, "SET", "hero:job:bad", "x", NULL);
  hold("bad", "3");
  /* A later run of this queue has it. */
  test_redis_do(server, "HSET", "hero:job:newer", "script", "x", "status", "started", "hq_queue", Q, "hq_token",
                "9007199254740000:host.2.y", NULL);
  hold("newer", "3");
  /* No hash: looked at again later, buried after the last look. */
  hold("gone", "3");
  hold("gone-for-good", "3");
  test_redis_do(server, "HSET", H ":missing", "gone-for-good", "3", NULL);
  tend(0, 0, 0);
  assert_let_go("done");
  assert_field("hero:job:done", "output", "42");
  assert_int_equal(test_redis_int(server, "ZSCORE", H ":dead", "done", NULL), -1);
  assert_let_go("stop");
  assert_field("hero:job:stop", "status", "error");
  assert_field("hero:job:stop", "error", "cancelled");
  assert_int_equal(test_redis_int(server, "ZSCORE", H ":dead", "stop", NULL), -1);
  assert_dead("bad", "bad_hash");
  assert_let_go("newer");
  assert_field("hero:job:newer", "status", "started");
  assert_true(test_redis_int(server, "ZSCORE", H ":delayed", "newer", NULL) > 0);
  assert_let_go("gone");
  assert_true(test_redis_int(server, "ZSCORE", H ":delayed", "gone", NULL) > 0);
  assert_dead("gone-for-good", "missing_hash");
}

static void tend_asks_the_other_queue(void **state) {
  (void)state;
  test_redis_do(server, "HSET", "hero:job:e", "script", "x", "status", "started", "hq_queue", "hero:q:work:type:sal",
                "hq_token", "9:host.3.z", NULL);
  test_redis_do(server, "HSET", "{hero:q:work:type:sal}:holders", "e", "9:host.3.z", NULL);
  hold("e", "3");
  tend(0, 0, 0); /* it runs there: hands off, until our lease ends again */
  assert_field("hero:job:e", "status", "started");
  assert_int_equal(test_redis_int(server, "HEXISTS", H ":holders", "e", NULL), 1);
  test_redis_do(server, "HDEL", "{hero:q:work:type:sal}:holders", "e", NULL);
  test_redis_do(server, "ZADD", H ":leases", "1", "e", NULL);
  tend(0, 0, 1); /* nobody holds it there any more */
  assert_dead("e", "lost");
  assert_field("hero:job:e", "status", "error");
}

static void tending_again_does_no_harm(void **state) {
  (void)state;
  hold("a", NULL);
  test_sleep_ms(60);
  for (int i = 0; i < 5; i++) assert_ok(heroq_queue_tend(queue, NULL, NULL, &err), &err);
  assert_int_equal(test_redis_int(server, "LLEN", Q, NULL), 1);
}

/* ---- life ---- */

static void opens_what_is_named(void **state) {
  heroq_queue *q = NULL;
  (void)state;
  assert_string_equal(heroq_queue_key(queue), Q);
  assert_ok(heroq_queue_open(client, "osis", "g", "i", &q, &err), &err);
  assert_string_equal(heroq_queue_key(q), Q ":group:g:inst:i");
  heroq_queue_free(q);
  assert_status(HEROQ_E_INVALID, heroq_queue_open(client, "", NULL, NULL, &q, &err), &err);
  assert_null(q);
  assert_status(HEROQ_E_INVALID, heroq_queue_open(client, NULL, NULL, NULL, &q, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_queue_open(client, "a b", NULL, NULL, &q, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_queue_open(client, "osis", NULL, "i", &q, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_queue_open(client, "osis", "g{", NULL, &q, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_queue_open(NULL, "osis", NULL, NULL, &q, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_queue_open(client, "osis", NULL, NULL, NULL, NULL), NULL);
  assert_string_equal(heroq_queue_key(NULL), "");
  heroq_queue_free(NULL);
  heroq_queue_close(NULL);
}

static void closes_with_its_client(void **state) {
  heroq_queue *q;
  heroq_record *r;
  heroq_client *own;
  (void)state;
  assert_ok(heroq_client_open(server->url, NULL, &own, NULL, &err), &err);
  assert_ok(heroq_queue_open(own, "osis", NULL, NULL, &q, &err), &err);
  heroq_client_close(own);
  heroq_client_free(own); /* the queue keeps its memory */
  assert_status(HEROQ_E_CLOSED, heroq_queue_stats(q, &r, NULL, &err), &err);
  assert_status(HEROQ_E_CLOSED, heroq_queue_pause(q, NULL, &err), &err);
  heroq_queue_close(q);
  heroq_queue_free(q);
  assert_ok(heroq_queue_open(client, "osis", NULL, NULL, &q, &err), &err);
  heroq_queue_close(q);
  heroq_queue_close(q);
  assert_status(HEROQ_E_CLOSED, heroq_queue_tend(q, &r, NULL, &err), &err);
  heroq_queue_free(q);
}

static void a_cancelled_call_asks_nothing(void **state) {
  heroq_call *call;
  heroq_record *r;
  (void)state;
  assert_ok(heroq_call_new(&call, &err), &err);
  heroq_call_cancel(call);
  assert_status(HEROQ_E_CANCELLED, heroq_queue_stats(queue, &r, call, &err), &err);
  assert_status(HEROQ_E_CANCELLED, heroq_queue_pause(queue, call, &err), &err);
  assert_status(HEROQ_E_CANCELLED, heroq_queue_tend(queue, &r, call, &err), &err);
  assert_int_equal(stat("paused"), 0);
  heroq_call_free(call);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_all, close_all)
  const struct CMUnitTest tests[] = {
      TEST(lists_known_and_foreign_queues),
      TEST(lists_more_queues_than_one_pipeline),
      TEST(counts_every_structure),
      TEST(wrong_type_is_named),
      TEST(pages_show_what_is_next_first),
      TEST(wrong_pages_are_errors),
      TEST(pauses_and_resumes),
      TEST(purges_the_dead),
      TEST(tend_promotes_and_returns),
      TEST(tend_empties_full_batches),
      TEST(tend_returns_old_handoff),
      TEST(tend_ends_the_lost_and_answers_who_waits),
      TEST(tend_follows_every_verdict),
      TEST(tend_asks_the_other_queue),
      TEST(tending_again_does_no_harm),
      TEST(opens_what_is_named),
      TEST(closes_with_its_client),
      TEST(a_cancelled_call_asks_nothing),
  };
  return cmocka_run_group_tests(tests, start_server, stop_server);
}
