/* The client on a real server, and on what is none: how it opens, what its errors say and hide, events, close, fork. */
#include "support.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static test_server *server, *locked;
static heroq_error err;

static int start(void **state) {
  (void)state;
  server = test_server_start(NULL);
  locked = test_server_start((const char *[]){"--requirepass", "sesame-opens", NULL});
  return 0;
}

static int stop(void **state) {
  (void)state;
  test_server_free(server);
  test_server_free(locked);
  return 0;
}

static heroq_client *open_with(const char *url, const char *name, const char *value) {
  heroq_client *c;
  heroq_options *o = NULL;
  if (name) {
    assert_ok(heroq_options_new(&o, &err), &err);
    assert_ok(heroq_options_set(o, name, value, &err), &err);
  }
  assert_ok(heroq_client_open(url, o, &c, NULL, &err), &err);
  heroq_options_free(o);
  return c;
}

static void end(heroq_client *c) {
  heroq_client_close(c);
  heroq_client_free(c);
}

static char *url_of(int port, const char *rest) {
  static char url[256];
  snprintf(url, sizeof url, "redis://%s127.0.0.1:%d/0", rest, port);
  return url;
}

/* A port on which nobody listens. */
static int closed_port(void) {
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t n = sizeof a;
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  assert_int_equal(bind(fd, (struct sockaddr *)&a, n), 0);
  assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
  close(fd);
  return ntohs(a.sin_port);
}

/* A peer that answers the first bytes of each connection with a text, NULL: with nothing. */
typedef struct peer {
  int fd, port;
  const char *answer;
  pthread_t thread;
} peer;

static void *run_peer(void *arg) {
  peer *p = arg;
  char bytes[512];
  int one = accept(p->fd, NULL, NULL);
  if (one < 0) return NULL;
  if (read(one, bytes, sizeof bytes) > 0 && p->answer && write(one, p->answer, strlen(p->answer)) < 0) return NULL;
  while (read(one, bytes, sizeof bytes) > 0) {
  }
  close(one);
  return NULL;
}

static void start_peer(peer *p, const char *answer) {
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t n = sizeof a;
  p->answer = answer;
  p->fd = socket(AF_INET, SOCK_STREAM, 0);
  assert_int_equal(bind(p->fd, (struct sockaddr *)&a, n), 0);
  assert_int_equal(listen(p->fd, 4), 0);
  assert_int_equal(getsockname(p->fd, (struct sockaddr *)&a, &n), 0);
  p->port = ntohs(a.sin_port);
  pthread_create(&p->thread, NULL, run_peer, p);
}

static void end_peer(peer *p) {
  shutdown(p->fd, SHUT_RDWR);
  close(p->fd);
  pthread_join(p->thread, NULL);
}

/* ---- opening ---- */

static void opens_and_pings(void **state) {
  int64_t us = -1;
  (void)state;
  heroq_client *c = open_with(server->url, NULL, NULL);
  assert_ok(heroq_client_ping(c, &us, NULL, &err), &err);
  assert_in_range(us, 1, 5000000);
  assert_ok(heroq_client_ping(c, NULL, NULL, NULL), NULL);
  end(c);
  c = open_with(server->unix_url, NULL, NULL);
  assert_ok(heroq_client_ping(c, NULL, NULL, &err), &err);
  end(c);
}

static void takes_the_url_from_the_environment(void **state) {
  heroq_client *c;
  heroq_record *info;
  (void)state;
  setenv("HEROQ_URL", server->url, 1);
  assert_ok(heroq_client_open("", NULL, &c, NULL, &err), &err);
  unsetenv("HEROQ_URL");
  assert_ok(heroq_client_server_info(c, &info, NULL, &err), &err);
  const char *url = heroq_record_text(info, heroq_record_find(info, "url"));
  char port[16];
  snprintf(port, sizeof port, ":%d", server->port);
  assert_non_null(strstr(url, port));
  heroq_record_free(info);
  end(c);
}

static void what_the_caller_says_wins_over_the_url(void **state) {
  char url[512];
  (void)state;
  snprintf(url, sizeof url, "%s?connect=now", url_of(closed_port(), ""));
  heroq_client *c = open_with(url, "connect", "lazy"); /* now would fail */
  end(c);
}

static void tells_about_the_server(void **state) {
  heroq_record *info;
  (void)state;
  heroq_client *c = open_with(server->url, NULL, NULL);
  assert_ok(heroq_client_server_info(c, &info, NULL, &err), &err);
  assert_true(strlen(heroq_record_text(info, heroq_record_find(info, "version"))) >= 5);
  assert_string_equal(heroq_record_text(info, heroq_record_find(info, "role")), "master");
  assert_string_equal(heroq_record_text(info, heroq_record_find(info, "maxmemory_policy")), "noeviction");
  assert_true(heroq_record_int64(info, heroq_record_find(info, "used_memory")) > 100000);
  assert_true(heroq_record_int64(info, heroq_record_find(info, "connected_clients")) >= 1);
  heroq_record_free(info);
  end(c);
}

static void nobody_listens(void **state) {
  heroq_client *c = (heroq_client *)1;
  char port[16];
  int closed = closed_port();
  (void)state;
  snprintf(port, sizeof port, ":%d", closed);
  int64_t begin = test_now_ms();
  assert_status(HEROQ_E_CONNECTION, heroq_client_open(url_of(closed, ""), NULL, &c, NULL, &err), &err);
  assert_true(test_now_ms() - begin < 2000);
  assert_null(c);
  test_assert_text(&err, port);
  assert_int_equal(err.sys_errno, ECONNREFUSED);
  assert_int_equal(err.flags, HEROQ_RETRYABLE);
  c = open_with(url_of(closed, ""), "connect", "lazy");
  assert_status(HEROQ_E_CONNECTION, heroq_client_ping(c, NULL, NULL, &err), &err);
  end(c);
}

static void connect_wait_waits_for_the_server(void **state) {
  (void)state;
  test_server *late = test_server_start(NULL);
  test_server_shutdown(late);
  heroq_call *call;
  heroq_client *c;
  heroq_options *o;
  assert_ok(heroq_options_new(&o, &err), &err);
  assert_ok(heroq_options_set(o, "connect", "wait", &err), &err);
  assert_ok(heroq_options_set(o, "log", "off", &err), &err);
  assert_ok(heroq_call_new(&call, &err), &err);
  assert_ok(heroq_call_set_timeout(call, 300, &err), &err);
  int64_t begin = test_now_ms();
  assert_status(HEROQ_E_TIMEOUT, heroq_client_open(late->url, o, &c, call, &err), &err);
  assert_in_range(test_now_ms() - begin, 290, 1500);
  test_server_restart(late);
  assert_ok(heroq_call_set_timeout(call, 5000, &err), &err);
  assert_ok(heroq_client_open(late->url, o, &c, call, &err), &err);
  end(c);
  heroq_call_free(call);
  heroq_options_free(o);
  test_server_free(late);
}

static void passwords_are_checked_and_never_shown(void **state) {
  heroq_client *c;
  (void)state;
  assert_ok(heroq_client_open(locked->url, NULL, &c, NULL, &err), &err);
  end(c);
  assert_status(HEROQ_E_AUTH, heroq_client_open(url_of(locked->port, ":wrong-secret@"), NULL, &c, NULL, &err), &err);
  assert_null(strstr(err.text, "wrong-secret"));
  assert_int_equal(err.flags & HEROQ_RETRYABLE, 0);
  assert_status(HEROQ_E_AUTH, heroq_client_open(url_of(locked->port, "bob:wrong-secret@"), NULL, &c, NULL, &err), &err);
  assert_null(strstr(err.text, "wrong-secret"));
  assert_status(HEROQ_E_AUTH, heroq_client_open(url_of(locked->port, ""), NULL, &c, NULL, &err), &err);
  test_assert_text(&err, "password");
  /* a password where none is wanted */
  assert_status(HEROQ_E_AUTH, heroq_client_open(url_of(server->port, ":wrong-secret@"), NULL, &c, NULL, &err), &err);
  assert_null(strstr(err.text, "wrong-secret"));
  /* what cannot be parsed, and what cannot be reached */
  assert_int_not_equal(heroq_client_open("redis://:wrong-secret@host:99999999/0", NULL, &c, NULL, &err), HEROQ_OK);
  assert_null(strstr(err.text, "wrong-secret"));
  assert_int_not_equal(heroq_client_open(url_of(closed_port(), ":wrong-secret@"), NULL, &c, NULL, &err), HEROQ_OK);
  assert_null(strstr(err.text, "wrong-secret"));
  c = open_with(locked->url, NULL, NULL);
  heroq_record *info;
  heroq_bytes *json;
  assert_ok(heroq_client_server_info(c, &info, NULL, &err), &err);
  assert_ok(heroq_record_json(info, &json, &err), &err);
  assert_null(strstr(heroq_bytes_data(json), "sesame-opens"));
  heroq_bytes_free(json);
  heroq_record_free(info);
  end(c);
}

static void other_servers_are_recognized(void **state) {
  static const char *const answers[] = {"HTTP/1.1 400 Bad Request\r\n\r\n", "220 mail ready\r\n", "\x15\x03\x01"};
  (void)state;
  for (int i = 0; i < 3; i++) {
    peer p;
    heroq_client *c;
    start_peer(&p, answers[i]);
    assert_status(HEROQ_E_PROTOCOL, heroq_client_open(url_of(p.port, ""), NULL, &c, NULL, &err), &err);
    end_peer(&p);
  }
}

static void a_silent_peer_costs_the_connect_timeout(void **state) {
  peer p;
  heroq_client *c;
  char url[512];
  (void)state;
  start_peer(&p, NULL);
  snprintf(url, sizeof url, "%s?connect_timeout=200ms", url_of(p.port, ""));
  int64_t begin = test_now_ms();
  assert_status(HEROQ_E_CONNECTION, heroq_client_open(url, NULL, &c, NULL, &err), &err);
  assert_in_range(test_now_ms() - begin, 190, 1000);
  end_peer(&p);
}

static void tls_is_refused_where_it_is_not_built_in(void **state) {
  heroq_client *c;
  char url[64];
  (void)state;
  if (heroq_feature("tls")) return;
  snprintf(url, sizeof url, "rediss://127.0.0.1:%d/0?connect=lazy", server->port);
  assert_status(HEROQ_E_UNSUPPORTED, heroq_client_open(url, NULL, &c, NULL, &err), &err);
}

static void nonsense_is_refused(void **state) {
  heroq_client *c;
  heroq_record *r;
  (void)state;
  assert_status(HEROQ_E_INVALID, heroq_client_open(server->url, NULL, NULL, NULL, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_client_reopen(NULL, &c, NULL, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_client_ping(NULL, NULL, NULL, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_client_server_info(NULL, &r, NULL, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_client_next_event(NULL, 0, &r, NULL, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_client_next_event(NULL, 0, NULL, NULL, NULL), NULL);
  assert_int_equal(heroq_client_event_fd(NULL), -1);
  heroq_client_close(NULL);
  heroq_client_free(NULL);
}

/* ---- the pool ---- */

static void a_restart_costs_no_call_an_error(void **state) {
  (void)state;
  heroq_client *c = open_with(server->url, NULL, NULL);
  test_server_restart(server);
  assert_ok(heroq_client_ping(c, NULL, NULL, &err), &err);
  end(c);
}

static void a_paused_server_costs_the_op_timeout(void **state) {
  char url[256];
  (void)state;
  snprintf(url, sizeof url, "%s?op_timeout=300ms", server->url);
  heroq_client *c = open_with(url, NULL, NULL);
  test_server_pause(server);
  int64_t begin = test_now_ms();
  heroq_status status = heroq_client_ping(c, NULL, NULL, &err);
  int64_t took = test_now_ms() - begin;
  test_server_resume(server);
  assert_int_equal(status, HEROQ_E_TIMEOUT);
  assert_in_range(took, 290, 1500);
  assert_int_equal(err.flags, HEROQ_RETRYABLE | HEROQ_MAYBE_DONE);
  assert_ok(heroq_client_ping(c, NULL, NULL, &err),
            &err); /* a late answer must not be taken for that of the next call */
  end(c);
}

typedef struct pinging {
  heroq_client *client;
  heroq_call *call;
  heroq_error err;
  heroq_status status;
  int64_t took;
} pinging;

static void *ping_once(void *arg) {
  pinging *p = arg;
  int64_t begin = test_now_ms();
  p->status = heroq_client_ping(p->client, NULL, p->call, &p->err);
  p->took = test_now_ms() - begin;
  return NULL;
}

static void cancel_and_close_end_calls_under_way(void **state) {
  (void)state;
  for (int by_close = 0; by_close < 2; by_close++) {
    pthread_t thread;
    pinging p = {.client = open_with(server->url, NULL, NULL)};
    assert_ok(heroq_call_new(&p.call, &err), &err);
    test_server_pause(server);
    pthread_create(&thread, NULL, ping_once, &p);
    test_sleep_ms(100);
    if (by_close)
      heroq_client_close(p.client);
    else
      heroq_call_cancel(p.call);
    pthread_join(thread, NULL);
    test_server_resume(server);
    assert_int_equal(p.status, by_close ? HEROQ_E_CLOSED : HEROQ_E_CANCELLED);
    assert_true(p.err.flags & HEROQ_MAYBE_DONE);
    assert_true(p.took < 2000);
    heroq_call_free(p.call);
    end(p.client);
  }
}

static void *ping_often(void *arg) {
  pinging *p = arg;
  for (int i = 0; i < 300 && p->status == HEROQ_OK; i++) p->status = heroq_client_ping(p->client, NULL, NULL, &p->err);
  return NULL;
}

static void one_handle_serves_many_threads(void **state) {
  pthread_t thread[8];
  pinging p[8];
  (void)state;
  heroq_client *c = open_with(server->url, "pool", "3");
  for (int i = 0; i < 8; i++) {
    p[i] = (pinging){.client = c};
    pthread_create(&thread[i], NULL, ping_often, &p[i]);
  }
  for (int i = 0; i < 8; i++) {
    pthread_join(thread[i], NULL);
    assert_ok(p[i].status, &p[i].err);
  }
  /* the surplus is closed */
  int64_t connections = 99;
  for (int64_t until = test_now_ms() + 2000; connections > 3 && test_now_ms() < until; test_sleep_ms(5)) {
    char *list = test_redis_text(server, "CLIENT", "LIST", NULL);
    connections = 0;
    for (char *p_ = list; (p_ = strstr(p_, "name=heroq-")) != NULL; p_++) connections++;
    free(list);
  }
  assert_in_range(connections, 1, 3);
  end(c);
}

/* ---- close ---- */

static void closed_is_closed(void **state) {
  heroq_supervisor *s;
  heroq_waiter *w;
  heroq_queue *q;
  (void)state;
  heroq_client *c = open_with(server->url, NULL, NULL);
  assert_ok(heroq_supervisor_open(c, NULL, &s, &err), &err);
  assert_ok(heroq_waiter_open(c, NULL, &w, &err), &err);
  heroq_client_close(c);
  heroq_client_close(c);
  heroq_bytes *out;
  heroq_record *none;
  assert_status(HEROQ_E_CLOSED, heroq_client_ping(c, NULL, NULL, &err), &err);
  assert_status(HEROQ_E_CLOSED, heroq_supervisor_get_status(s, "1", &out, NULL, &err), &err);
  assert_status(HEROQ_E_CLOSED, heroq_waiter_take(w, HEROQ_FOREVER, &none, NULL, &err), &err);
  assert_status(HEROQ_E_CLOSED, heroq_waiter_add(w, "1", 1, 0, &err), &err);
  assert_status(HEROQ_E_CLOSED, heroq_queue_open(c, "osis", NULL, NULL, &q, &err), &err);
  heroq_client_free(c); /* the children keep its memory */
  heroq_waiter_free(w);
  heroq_supervisor_free(s);
}

static void children_live_on_when_the_client_is_freed(void **state) {
  heroq_supervisor *s;
  heroq_bytes *out;
  (void)state;
  heroq_client *c = open_with(server->url, NULL, NULL);
  assert_ok(heroq_supervisor_open(c, NULL, &s, &err), &err);
  heroq_client_free(c);
  assert_status(HEROQ_E_NOT_FOUND, heroq_supervisor_get_status(s, "nobody", &out, NULL, &err), &err);
  heroq_supervisor_free(s);
}

/* ---- events ---- */

static bool readable(int fd, int ms) {
  struct pollfd p = {.fd = fd, .events = POLLIN};
  return poll(&p, 1, ms) == 1;
}

static void events_come_once_and_end(void **state) {
  heroq_record *event;
  (void)state;
  test_redis_do(server, "CONFIG", "SET", "maxmemory-policy", "allkeys-lru", NULL);
  heroq_client *c = open_with(server->url, "log", "events");
  test_redis_do(server, "CONFIG", "SET", "maxmemory-policy", "noeviction", NULL);
  int fd = heroq_client_event_fd(c);
  assert_true(fd >= 0);
  assert_int_equal(heroq_client_event_fd(c), fd);
  assert_true(readable(fd, 0));
  assert_ok(heroq_client_next_event(c, 0, &event, NULL, &err), &err);
  assert_non_null(event);
  assert_string_equal(heroq_record_text(event, heroq_record_find(event, "level")), "warning");
  assert_non_null(strstr(heroq_record_text(event, heroq_record_find(event, "text")), "allkeys-lru"));
  assert_int_equal(heroq_record_int64(event, heroq_record_find(event, "dropped")), 0);
  heroq_record_free(event);
  assert_false(readable(fd, 0));
  assert_ok(heroq_client_next_event(c, 50, &event, NULL, &err), &err);
  assert_null(event);
  heroq_client_close(c);
  assert_true(readable(fd, 0));
  assert_status(HEROQ_E_CLOSED, heroq_client_next_event(c, HEROQ_FOREVER, &event, NULL, &err), &err);
  assert_true(readable(fd, 0));
  heroq_client_free(c);
}

static void *close_soon(void *client) {
  test_sleep_ms(100);
  heroq_client_close(client);
  return NULL;
}

static void close_wakes_who_waits_for_events(void **state) {
  heroq_record *event;
  pthread_t thread;
  (void)state;
  heroq_client *c = open_with(server->url, NULL, NULL);
  pthread_create(&thread, NULL, close_soon, c);
  assert_status(HEROQ_E_CLOSED, heroq_client_next_event(c, HEROQ_FOREVER, &event, NULL, &err), &err);
  pthread_join(thread, NULL);
  heroq_client_free(c);
}

/* What a program that asks for no events finds on its stderr. */
static char *stderr_of(const char *log) {
  char path[128];
  snprintf(path, sizeof path, "%s/stderr.txt", server->dir);
  int saved = dup(2), file = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
  test_redis_do(server, "CONFIG", "SET", "maxmemory-policy", "allkeys-lru", NULL);
  dup2(file, 2);
  end(open_with(server->url, "log", log));
  dup2(saved, 2);
  close(saved);
  close(file);
  test_redis_do(server, "CONFIG", "SET", "maxmemory-policy", "noeviction", NULL);
  return test_read_file(path, NULL);
}

static void warnings_go_to_stderr_until_somebody_asks(void **state) {
  (void)state;
  char *said = stderr_of("stderr");
  assert_non_null(strstr(said, "heroq: warning: "));
  assert_non_null(strstr(said, "allkeys-lru"));
  free(said);
  said = stderr_of("events");
  assert_string_equal(said, "");
  free(said);
  said = stderr_of("off");
  assert_string_equal(said, "");
  free(said);
}

/* ---- fork ---- */

static int in_child(heroq_client *c, heroq_supervisor *s, heroq_waiter *w) {
  heroq_client *own;
  heroq_record *none;
  heroq_bytes *out;
  heroq_job *job;
  if (heroq_client_ping(c, NULL, NULL, NULL) != HEROQ_E_FORKED) return 1;
  if (heroq_client_next_event(c, 0, &none, NULL, NULL) != HEROQ_E_FORKED) return 2;
  if (heroq_job_new("osis", "x", 1, &job, NULL)) return 3;
  if (heroq_supervisor_submit(s, job, NULL, NULL) != HEROQ_E_FORKED) return 4;
  if (heroq_supervisor_run_job_and_await_result(s, job, 0, &out, NULL, NULL) != HEROQ_E_FORKED) return 5;
  if (heroq_waiter_take(w, 0, &none, NULL, NULL) != HEROQ_E_FORKED) return 6;
  if (heroq_waiter_submit(w, job, 7, 0, NULL) != HEROQ_E_FORKED) return 7;
  if (heroq_waiter_fd(w) != -1 || heroq_client_event_fd(c) != -1 || heroq_waiter_count(w) != 0) return 8;
  if (heroq_client_reopen(c, &own, NULL, NULL)) return 9;
  if (heroq_client_ping(own, NULL, NULL, NULL)) return 10;
  heroq_client_close(own);
  heroq_client_free(own);
  heroq_client_close(c);
  heroq_waiter_close(w);
  heroq_supervisor_close(s);
  heroq_waiter_free(w);
  heroq_supervisor_free(s);
  heroq_client_free(c);
  heroq_job_free(job);
  return 0;
}

static void a_child_of_fork_has_its_own(void **state) {
  heroq_supervisor *s;
  heroq_waiter *w;
  heroq_record *done;
  int status = -1;
  (void)state;
  heroq_client *c = open_with(server->url, NULL, NULL);
  assert_ok(heroq_supervisor_open(c, NULL, &s, &err), &err);
  assert_ok(heroq_waiter_open(c, NULL, &w, &err), &err);
  test_redis_do(server, "HSET", "hero:job:pending", "script", "x", "status", "started", "hq_token", "1:a", NULL);
  assert_ok(heroq_waiter_add(w, "pending", 1, HEROQ_FOREVER, &err), &err);
  test_until(test_redis_int(server, "HEXISTS", "hero:job:pending", "hq_reply_to", NULL), 3000);
  test_sleep_ms(50); /* the thread sleeps now: a sanitizer's allocator does not survive a fork within a malloc */
  pid_t pid = fork();
  if (pid == 0) _exit(in_child(c, s, w));
  assert_int_equal(waitpid(pid, &status, 0), pid);
  assert_true(WIFEXITED(status));
  assert_int_equal(WEXITSTATUS(status), 0);
  /* the parent's streams are whole */
  assert_ok(heroq_client_ping(c, NULL, NULL, &err), &err);
  test_redis_do(server, "HSET", "hero:job:pending", "output", "ok", "status", "finished", NULL);
  assert_ok(heroq_waiter_take(w, 8000, &done, NULL, &err), &err);
  assert_non_null(done);
  assert_int_equal(heroq_record_int64(done, heroq_record_find(done, "status")), HEROQ_OK);
  heroq_record_free(done);
  heroq_client_close(c);
  heroq_waiter_free(w);
  heroq_supervisor_free(s);
  heroq_client_free(c);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(opens_and_pings),
      cmocka_unit_test(takes_the_url_from_the_environment),
      cmocka_unit_test(what_the_caller_says_wins_over_the_url),
      cmocka_unit_test(tells_about_the_server),
      cmocka_unit_test(nobody_listens),
      cmocka_unit_test(connect_wait_waits_for_the_server),
      cmocka_unit_test(passwords_are_checked_and_never_shown),
      cmocka_unit_test(other_servers_are_recognized),
      cmocka_unit_test(a_silent_peer_costs_the_connect_timeout),
      cmocka_unit_test(tls_is_refused_where_it_is_not_built_in),
      cmocka_unit_test(nonsense_is_refused),
      cmocka_unit_test(a_restart_costs_no_call_an_error),
      cmocka_unit_test(a_paused_server_costs_the_op_timeout),
      cmocka_unit_test(cancel_and_close_end_calls_under_way),
      cmocka_unit_test(one_handle_serves_many_threads),
      cmocka_unit_test(closed_is_closed),
      cmocka_unit_test(children_live_on_when_the_client_is_freed),
      cmocka_unit_test(events_come_once_and_end),
      cmocka_unit_test(close_wakes_who_waits_for_events),
      cmocka_unit_test(warnings_go_to_stderr_until_somebody_asks),
      cmocka_unit_test(a_child_of_fork_has_its_own),
  };
  return cmocka_run_group_tests(tests, start, stop);
}
