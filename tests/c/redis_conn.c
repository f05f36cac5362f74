/* One connection, step by step: what is left of a batch whose connection breaks. */
#include <poll.h>

#include "clock.h"
#include "conn.h"
#include "endpoint.h"
#include "scripts.h"
#include "support.h"

static test_server *server;
static hq_endpoint endpoint;
static hq_conn *conn;

static void wait_for_server(void) {
  struct pollfd p = {.fd = hq_conn_fd(conn), .events = hq_conn_events(conn)};
  assert_int_equal(poll(&p, 1, 10000), 1);
  hq_conn_drive(conn, p.revents);
}

static int setup(void **state) {
  heroq_options *options;
  (void)state;
  server = test_server_start(NULL);
  assert_ok(heroq_options_new(&options, NULL), NULL);
  assert_ok(hq_endpoint_parse(server->url, options, &endpoint, NULL), NULL);
  heroq_options_free(options);
  conn = hq_conn_open(&endpoint, "test", hq_deadline(hq_mono_ms(), 10000));
  while (hq_conn_state(conn) == HQ_CONN_CONNECTING) wait_for_server();
  assert_int_equal(hq_conn_state(conn), HQ_CONN_IDLE);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  hq_conn_close(conn);
  hq_endpoint_free(&endpoint);
  test_server_free(server);
  return 0;
}

static void put(hq_batch *b) {
  hq_batch_words(b, "PING", NULL);
  hq_batch_script(b, HQ_SCRIPT_AWAIT, 1, 1);
  hq_batch_text_arg(b, "hero:job:a");
  hq_batch_text_arg(b, "");
}

static void a_script_that_is_not_there_is_loaded(void **state) {
  hq_batch b;
  (void)state;
  hq_batch_init(&b);
  test_redis_do(server, "SCRIPT", "FLUSH", NULL);
  put(&b);
  hq_conn_send(conn, &b, hq_deadline(hq_mono_ms(), 10000));
  while (hq_conn_state(conn) == HQ_CONN_BUSY) wait_for_server();
  assert_int_equal(hq_conn_state(conn), HQ_CONN_IDLE);
  assert_int_equal(hq_batch_reply(&b, 1)->type, HQ_NIL);
  hq_batch_free(&b);
}

static void a_script_under_way_again_is_unanswered(void **state) {
  hq_batch b;
  (void)state;
  hq_batch_init(&b);
  test_redis_do(server, "SCRIPT", "FLUSH", NULL);
  put(&b);
  hq_conn_send(conn, &b, hq_deadline(hq_mono_ms(), 200));
  struct pollfd p = {.fd = hq_conn_fd(conn), .events = POLLIN};
  assert_int_equal(poll(&p, 1, 10000), 1); /* both answers come at once: the second is NOSCRIPT */
  test_server_pause(server);
  hq_conn_drive(conn, POLLIN);
  assert_int_equal(hq_conn_state(conn), HQ_CONN_BUSY);
  while (hq_conn_state(conn) == HQ_CONN_BUSY) {
    test_sleep_ms(5);
    hq_conn_drive(conn, 0);
  }
  assert_int_equal(hq_conn_state(conn), HQ_CONN_BROKEN);
  assert_non_null(hq_batch_reply(&b, 0));
  assert_null(hq_batch_reply(&b, 1)); /* sent again, it may have been carried out */
  test_server_resume(server);
  hq_batch_free(&b);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(a_script_that_is_not_there_is_loaded, setup, teardown),
      cmocka_unit_test_setup_teardown(a_script_under_way_again_is_unanswered, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
