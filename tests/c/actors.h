/* What the actor's tests share: one server, one client, jobs as a foreign producer would make them, and looks at what
 * stands on the server. Names are short: the tests are read as sentences. */
#ifndef TESTS_ACTORS_H
#define TESTS_ACTORS_H
#include "one_server.h"

#define Q "hero:q:work:type:osis"
#define H "{" Q "}"
#define LEASE 600 /* ms, unless a test says otherwise */

extern heroq_client *client;
extern heroq_supervisor *supervisor;
extern heroq_error err;

/* cmocka's test fixtures. */
int open_client(void **state); /* empties the server */
int close_client(void **state);
#define ACTOR_TEST(name) cmocka_unit_test_setup_teardown(name, open_client, close_client)

/* ---- jobs, by bare commands ---- */
void store(const char *id); /* HSET: script "script of <id>", status dispatched */
void set(const char *id, const char *field, const char *value);
void push(const char *queue, const char *id);                      /* LPUSH */
void enqueue(const char *id);                                      /* store, push(Q) */
char *field(const char *id, const char *name);                     /* to be freed; NULL: not there */
bool field_is(const char *id, const char *name, const char *want); /* want NULL: not there */
int64_t size_of(const char *key);                                  /* of a list, zset, hash; 0: not there */
bool nothing_held(const char *queue);                              /* Q, handoff, leases, holders, delayed are empty */

/* ---- actors ---- */
/* Options as name, value, …, NULL over: lease 600ms, block 200ms, backoff 20ms, recheck 50ms, handoff_grace 200ms. */
heroq_actor *actor_of(const char *types, ...) __attribute__((sentinel));
heroq_actor *actor_on(heroq_client *c, const char *types, ...) __attribute__((sentinel));
void end_actor(heroq_actor *a);  /* close(0) with every result acknowledged, free */
heroq_job *take(heroq_actor *a); /* fails the test if none comes within 5 s */
heroq_job *take_id(heroq_actor *a, const char *id);
bool take_nothing(heroq_actor *a, int64_t ms);
void finish(heroq_job *job, const char *output); /* and frees it */
int64_t stat_of(heroq_actor *a, const char *name);
bool event_comes(heroq_actor *a, const char *what, int64_t ms); /* skips the others */
/* Waits for a condition while somebody asks for jobs (nobody takes for an actor that nobody asks); none must come. */
#define until_idle(a, condition, within_ms)                                                                            \
  do {                                                                                                                 \
    int64_t until_ = test_now_ms() + (within_ms);                                                                      \
    while (!(condition)) {                                                                                             \
      assert_true(take_nothing(a, 10));                                                                                \
      if (test_now_ms() > until_) fail_msg("not within %d ms: %s", (int)(within_ms), #condition);                      \
    }                                                                                                                  \
  } while (0)
bool readable(int fd, int ms);
int open_descriptors(void);
#endif
