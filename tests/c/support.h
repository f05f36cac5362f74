/* What the C tests share: a private real server, raw commands to it, waiting for a condition by a deadline.
 * Unit tests use only the small things here; nothing starts before it is asked for. */
#ifndef TESTS_SUPPORT_H
#define TESTS_SUPPORT_H
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include <cmocka.h>
#include <heroq/heroq.h>
#include <hiredis/hiredis.h>

/* ---- a private server: free port on 127.0.0.1, unix socket, own temporary folder ----
 * Its program is $HEROQ_TEST_SERVER (default redis-server). It dies with the test, however that ends. Start it from the
 * main thread. Everything here fails the test on the spot when it cannot do its work. */
typedef struct test_server {
  pid_t pid; /* 0 while it is down */
  int port;
  char url[128];      /* redis://[:password@]127.0.0.1:port/0 */
  char unix_url[192]; /* unix://[:password@]/…/server.sock */
  char dir[96];       /* its folder: server.log, server.sock, appendonly files */
  char password[64];  /* taken from --requirepass, else "" */
  char **args;
  struct test_server *next;
} test_server;

/* args: further arguments of the server ended by NULL, such as (const char *[]){"--appendonly", "yes", NULL}; may be
 * NULL. Returns when it answers. */
test_server *test_server_start(const char *const *args);
void test_server_free(test_server *s);     /* ends it, removes its folder; takes NULL */
void test_server_shutdown(test_server *s); /* SIGTERM, waits until it is gone; restart brings it back */
void test_server_kill9(test_server *s);    /* SIGKILL, waits until it is gone */
void test_server_restart(test_server *s);  /* ends it if it runs, starts it with the same port, folder and arguments */
void test_server_pause(test_server *s);    /* SIGSTOP: it takes connections but answers nothing */
void test_server_resume(test_server *s);   /* SIGCONT */

/* ---- raw commands: text arguments ended by NULL; over the unix socket, a connection a command ---- */
redisReply *test_redis(test_server *s, ...) __attribute__((sentinel)); /* free with freeReplyObject; errors fail */
void test_redis_do(test_server *s, ...) __attribute__((sentinel));
int64_t test_redis_int(test_server *s, ...)
    __attribute__((sentinel)); /* an integer, or a string that is one; nil is -1 */
/* A string, to be freed; NULL for nil. */
char *test_redis_text(test_server *s, ...) __attribute__((sentinel));
/* The same with lengths, for bytes. An error reply comes back as it is. */
redisReply *test_redis_argv(test_server *s, int argc, const char **argv, const size_t *size);
/* A connection of the test's own, for blocking commands, MULTI, many commands; free with redisFree. */
redisContext *test_server_connect(test_server *s);

/* ---- time ---- */
int64_t test_now_ms(void); /* monotonic */
void test_sleep_ms(int64_t ms);
/* Evaluates the condition again and again until it holds; fails the test when it does not within that many ms. */
#define test_until(condition, within_ms)                                                                               \
  do {                                                                                                                 \
    int64_t until_ = test_now_ms() + (within_ms);                                                                      \
    while (!(condition)) {                                                                                             \
      if (test_now_ms() > until_) fail_msg("not within %d ms: %s", (int)(within_ms), #condition);                      \
      test_sleep_ms(2);                                                                                                \
    }                                                                                                                  \
  } while (0)

/* ---- statuses ---- */
/* Asserts the status of a call; on failure it shows both names and the error's text. `err` may be NULL. */
#define assert_status(wanted, call, err) test_assert_status((wanted), (call), (err), #call, __FILE__, __LINE__)
#define assert_ok(call, err) assert_status(HEROQ_OK, call, err)
void test_assert_status(heroq_status wanted, heroq_status got, const heroq_error *err, const char *call,
                        const char *file, int line);
/* Asserts that the error's text holds a piece of text. */
void test_assert_text(const heroq_error *err, const char *piece);

/* ---- files ---- */
/* A whole file, NUL-terminated, to be freed; *size may be NULL. */
char *test_read_file(const char *path, size_t *size);
/* tests/vectors/<name>, read whole. */
char *test_read_vectors(const char *name);
#endif
