/* heroq_supervisor_redis_lines: the guide's redis-cli lines for one job, and what the server answers. */
#include "one_server.h"

#define Q "hero:q:work:type:osis"

static heroq_client *client;
static heroq_supervisor *sup;
static heroq_error err;

static int open_all(void **state) {
  (void)state;
  test_redis_do(server, "FLUSHALL", NULL);
  assert_ok(heroq_client_open(server->url, NULL, &client, NULL, &err), &err);
  assert_ok(heroq_supervisor_open(client, NULL, &sup, &err), &err);
  return 0;
}

static int close_all(void **state) {
  (void)state;
  heroq_supervisor_free(sup);
  heroq_client_free(client);
  return 0;
}

static heroq_record *lines_of(const char *id, int64_t found) {
  heroq_record *page;
  assert_ok(heroq_supervisor_redis_lines(sup, id, &page, NULL, &err), &err);
  assert_int_equal(heroq_record_int64(page, heroq_record_find(page, "found")), found);
  return page;
}

/* The answer that stands beside the command; frees nothing. */
static void assert_line(const heroq_record *page, const char *command, const char *want) {
  heroq_record *rows, *row;
  bool seen = false;
  assert_ok(heroq_record_child(page, heroq_record_find(page, "rows"), &rows, &err), &err);
  for (int32_t i = 0; i < heroq_record_count(rows); i++) {
    assert_ok(heroq_record_child(rows, i, &row, &err), &err);
    if (!strcmp(heroq_record_text(row, 0), command)) {
      assert_string_equal(heroq_record_text(row, 1), want);
      seen = true;
    }
    heroq_record_free(row);
  }
  heroq_record_free(rows);
  if (!seen) fail_msg("no line \"%s\"", command);
}

static void a_waiting_job_is_in_its_queue(void **state) {
  (void)state;
  test_redis_do(server, "HSET", "hero:job:j", "script", "a\"\n\x01", "script_type", "osis", "status", "dispatched",
                NULL);
  test_redis_do(server, "LPUSH", Q, "j", "k", NULL);
  test_redis_do(server, "LPUSH", "hero:q:reply:j", "done", NULL);
  test_redis_do(server, "LPUSH", "hero:q:ctl:type:osis", "j", NULL);
  heroq_record *page = lines_of("j", 1);
  assert_line(page, "HGETALL hero:job:j",
              "1) \"script\"\n2) \"a\\\"\\n\\x01\"\n3) \"script_type\"\n4) \"osis\"\n5) \"status\"\n6) \"dispatched\"");
  assert_line(page, "HGET hero:job:j status", "\"dispatched\"");
  assert_line(page, "HGET hero:job:j output", "(nil)");
  assert_line(page, "LLEN " Q, "(integer) 2");
  assert_line(page, "LRANGE " Q " 0 99", "1) \"k\"\n2) \"j\"");
  assert_line(page, "LPOS " Q " j RANK -1 MAXLEN 100000", "(integer) 1");
  assert_line(page, "LLEN hero:q:reply:j", "(integer) 1");
  assert_line(page, "LRANGE hero:q:reply:j 0 99", "1) \"done\"");
  assert_line(page, "LPOS hero:q:ctl:type:osis j MAXLEN 256", "(integer) 0");
  assert_line(page, "ZSCORE {" Q "}:leases j", "(nil)");
  heroq_record_free(page);
}

static void the_queue_is_that_of_the_hash(void **state) {
  (void)state;
  test_redis_do(server, "HSET", "hero:job:j", "script", "x", "script_type", "osis", "hq_queue", Q ":group:g", NULL);
  test_redis_do(server, "ZADD", "{" Q ":group:g}:delayed", "12", "j", NULL);
  heroq_record *page = lines_of("j", 1);
  assert_line(page, "LRANGE " Q ":group:g 0 99", "(empty array)");
  assert_line(page, "ZSCORE {" Q ":group:g}:delayed j", "\"12\"");
  heroq_record_free(page);
}

/* Neither what is missing nor what is of a wrong type is an error: this is how a person finds out. */
static void what_is_wrong_is_shown(void **state) {
  (void)state;
  heroq_record *page = lines_of("gone", 0);
  assert_line(page, "HGETALL hero:job:gone", "(empty array)");
  assert_line(page, "LLEN hero:q:reply:gone", "(integer) 0");
  heroq_record_free(page);
  test_redis_do(server, "SET", "hero:job:j", "x", NULL);
  page = lines_of("j", 0);
  assert_line(page, "HGET hero:job:j status",
              "(error) WRONGTYPE Operation against a key holding the wrong kind of value");
  heroq_record_free(page);
}

static void a_line_can_be_pasted(void **state) {
  (void)state;
  heroq_record *page = lines_of("a;\"b$c", 0);
  assert_line(page, "HGET \"hero:job:a;\\\"b$c\" status", "(nil)");
  heroq_record_free(page);
}

static void it_only_reads_and_reads_little(void **state) {
  (void)state;
  test_redis_do(server, "HSET", "hero:job:j", "script", "x", "script_type", "osis", NULL);
  for (int i = 0; i < 300; i++) test_redis_do(server, "LPUSH", Q, "k", NULL);
  test_redis_do(server, "CONFIG", "RESETSTAT", NULL);
  heroq_record *page = lines_of("j", 1);
  heroq_record_free(page);
  char *stats = test_redis_text(server, "INFO", "commandstats", NULL);
  static const char *const never[] = {"cmdstat_keys", "cmdstat_scan", "cmdstat_hset", "cmdstat_lpush", "cmdstat_eval"};
  for (size_t i = 0; i < sizeof never / sizeof *never; i++) assert_null(strstr(stats, never[i]));
  free(stats);
  assert_status(HEROQ_E_INVALID, heroq_supervisor_redis_lines(sup, "a b", &page, NULL, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_supervisor_redis_lines(sup, "a", NULL, NULL, &err), &err);
}

#define T(name) cmocka_unit_test_setup_teardown(name, open_all, close_all)

int main(void) {
  const struct CMUnitTest tests[] = {
      T(a_waiting_job_is_in_its_queue), T(the_queue_is_that_of_the_hash),  T(what_is_wrong_is_shown),
      T(a_line_can_be_pasted),          T(it_only_reads_and_reads_little),
  };
  return cmocka_run_group_tests(tests, start_server, stop_server);
}
