/* Threads that hand things over: one event wakes one thread, the oldest; nothing is lost. And the notices below. */
#include "support.h"

#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include "clock.h"
#include "wait.h"

/* ---- notices ---- */

static bool readable(const hq_notice *n) {
  struct pollfd p = {n->rfd, POLLIN, 0};
  return poll(&p, 1, 0) == 1 && p.revents == POLLIN;
}

static void a_notice_is_readable_while_set(void **state) {
  (void)state;
  hq_notice n;
  assert_int_equal(0, hq_notice_open(&n));
  assert_false(readable(&n));
  hq_notice_clear(&n); /* never blocks */
  for (int i = 0; i < 1000; i++) hq_notice_set(&n);
  assert_true(readable(&n));
  assert_true(readable(&n));
  hq_notice_clear(&n);
  assert_false(readable(&n));
  hq_notice_set(&n);
  assert_true(readable(&n));
  hq_notice_close(&n);
  assert_int_equal(-1, n.rfd);
  hq_notice_set(&n);
  hq_notice_clear(&n);
  hq_notice_close(&n);
}

/* Somebody closed our number, and it is another descriptor now: even another notice's. */
static void only_our_own_descriptor_is_closed(void **state) {
  (void)state;
  hq_notice n, other;
  int fd[2];
  assert_int_equal(0, pipe(fd));
  assert_int_equal(0, hq_notice_open(&n));
  int number = n.rfd;
  assert_int_equal(number, dup2(fd[0], number));
  hq_notice_close(&n);
  assert_int_equal(1, write(fd[1], "x", 1));
  assert_int_equal(1, read(number, &(char){0}, 1));
  close(number);
  close(fd[0]);
  close(fd[1]);

  assert_int_equal(0, hq_notice_open(&n));
  assert_int_equal(0, hq_notice_open(&other));
  number = n.rfd;
  assert_int_equal(number, dup2(other.rfd, number));
  hq_notice_close(&n);
  hq_notice_set(&other);
  struct pollfd p = {number, POLLIN, 0};
  assert_int_equal(1, poll(&p, 1, 0));
  assert_int_equal(POLLIN, p.revents);
  close(number);
  hq_notice_close(&other);
}

/* ---- queues of waiting threads ---- */

typedef struct box {
  pthread_mutex_t lock;
  hq_waitq q;
  int things, taken;
  bool end;
} box;

static void box_init(box *b) {
  memset(b, 0, sizeof *b);
  pthread_mutex_init(&b->lock, NULL);
  hq_waitq_init(&b->q);
}

static void box_free(box *b) {
  hq_waitq_free(&b->q);
  pthread_mutex_destroy(&b->lock);
}

static int locked(box *b, const int *value) {
  pthread_mutex_lock(&b->lock);
  int v = *value;
  pthread_mutex_unlock(&b->lock);
  return v;
}

static heroq_status wait_once(box *b, int64_t timeout_ms, const heroq_call *call) {
  pthread_mutex_lock(&b->lock);
  heroq_status status = hq_waitq_wait(&b->q, &b->lock, hq_wait_deadline(timeout_ms, call), call);
  pthread_mutex_unlock(&b->lock);
  return status;
}

static void time_and_cancel_end_a_wait(void **state) {
  (void)state;
  box b;
  heroq_call *call;
  box_init(&b);
  assert_ok(heroq_call_new(&call, NULL), NULL);
  int64_t begin = test_now_ms();
  assert_int_equal(HEROQ_E_TIMEOUT, wait_once(&b, 0, NULL));
  assert_null(b.q.spare); /* not to wait costs no descriptor */
  assert_int_equal(HEROQ_E_TIMEOUT, wait_once(&b, 30, call));
  assert_in_range(test_now_ms() - begin, 29, 1000);
  heroq_call_cancel(call);
  assert_int_equal(HEROQ_E_CANCELLED, wait_once(&b, HEROQ_FOREVER, call));
  assert_int_equal(HEROQ_E_CANCELLED, wait_once(&b, 0, call));
  assert_int_equal(0, b.q.count);
  hq_waitq_wake_one(&b.q);
  hq_waitq_wake_all(&b.q); /* nobody waits: nothing is kept */
  assert_int_equal(HEROQ_E_TIMEOUT, wait_once(&b, 1, NULL));
  heroq_call_free(call);
  box_free(&b);
}

typedef struct sleeper {
  box *b;
  int number;
  pthread_t thread;
  heroq_status status;
} sleeper;

static int woken_order[8];

static void *sleep_once(void *arg) {
  sleeper *s = arg;
  pthread_mutex_lock(&s->b->lock);
  s->status = hq_waitq_wait(&s->b->q, &s->b->lock, hq_deadline(hq_mono_ms(), 20000), NULL);
  woken_order[s->b->taken++] = s->number;
  pthread_mutex_unlock(&s->b->lock);
  return NULL;
}

static void one_wake_wakes_the_oldest(void **state) {
  (void)state;
  enum { N = 4 };
  box b;
  sleeper s[N];
  box_init(&b);
  for (int i = 0; i < N; i++) {
    s[i] = (sleeper){.b = &b, .number = i};
    assert_int_equal(0, pthread_create(&s[i].thread, NULL, sleep_once, &s[i]));
    test_until(locked(&b, &b.q.count) == i + 1, 5000);
  }
  for (int i = 0; i < 2; i++) {
    pthread_mutex_lock(&b.lock);
    hq_waitq_wake_one(&b.q);
    pthread_mutex_unlock(&b.lock);
    test_until(locked(&b, &b.taken) == i + 1, 5000);
    test_sleep_ms(10);
    assert_int_equal(i + 1, locked(&b, &b.taken)); /* one, not more */
    assert_int_equal(i, woken_order[i]);
  }
  pthread_mutex_lock(&b.lock);
  hq_waitq_wake_all(&b.q);
  assert_int_equal(0, b.q.count);
  pthread_mutex_unlock(&b.lock);
  for (int i = 0; i < N; i++) {
    pthread_join(s[i].thread, NULL);
    assert_int_equal(HEROQ_OK, s[i].status);
  }
  assert_int_equal(N, b.taken);
  box_free(&b);
}

/* A thread in the middle leaves; those around it are still woken. */
static void one_may_leave_the_middle(void **state) {
  (void)state;
  enum { N = 3 };
  box b;
  sleeper s[N];
  box_init(&b);
  for (int i = 0; i < N; i++) {
    if (i) assert_int_equal(HEROQ_E_TIMEOUT, wait_once(&b, 5, NULL)); /* behind those that wait */
    s[i] = (sleeper){.b = &b, .number = i};
    assert_int_equal(0, pthread_create(&s[i].thread, NULL, sleep_once, &s[i]));
    test_until(locked(&b, &b.q.count) == i + 1, 5000);
  }
  pthread_mutex_lock(&b.lock);
  for (int i = 0; i < N; i++) hq_waitq_wake_one(&b.q);
  assert_null(b.q.first);
  assert_ptr_equal(b.q.last, &b.q.first);
  pthread_mutex_unlock(&b.lock);
  for (int i = 0; i < N; i++) {
    pthread_join(s[i].thread, NULL);
    assert_int_equal(HEROQ_OK, s[i].status);
  }
  box_free(&b);
}

typedef struct taker {
  box *b;
  heroq_call *call;
  pthread_t thread;
  unsigned seed;
  int cancels, timeouts, in_vain;
} taker;

/* Looks for a thing only when it was woken; its waits end by time and by cancels too. */
static void *take_things(void *arg) {
  taker *t = arg;
  pthread_mutex_lock(&t->b->lock);
  while (!t->b->end) {
    int64_t timeout = (int64_t)(t->seed = t->seed * 1103515245u + 12345) / 65536 % 3;
    heroq_status status = hq_waitq_wait(&t->b->q, &t->b->lock, hq_deadline(hq_mono_ms(), timeout + 1), t->call);
    t->timeouts += status == HEROQ_E_TIMEOUT;
    if (status == HEROQ_E_CANCELLED) {
      t->cancels++;
      heroq_call_reset(t->call);
    }
    if (status == HEROQ_OK && !t->b->end) {
      t->in_vain += !t->b->things;
      t->b->taken += t->b->things > 0;
      t->b->things -= t->b->things > 0;
    }
  }
  pthread_mutex_unlock(&t->b->lock);
  return NULL;
}

/* A thing and a wake whenever a thread waits: each wake is answered by one thread, even by one whose time ends or whose
 * call is cancelled at that moment. */
static void no_wake_is_lost(void **state) {
  (void)state;
  enum { N = 4, MOST = 20000 };
  box b;
  taker t[N];
  box_init(&b);
  for (int i = 0; i < N; i++) {
    t[i] = (taker){.b = &b, .seed = (unsigned)i};
    assert_ok(heroq_call_new(&t[i].call, NULL), NULL);
    assert_int_equal(0, pthread_create(&t[i].thread, NULL, take_things, &t[i]));
  }
  int given = 0;
  int64_t until = test_now_ms() + 3000;
  for (int turn = 0; given < MOST && test_now_ms() < until; turn++) {
    if (turn % 3 == 0) heroq_call_cancel(t[turn % N].call);
    pthread_mutex_lock(&b.lock);
    if (b.q.count) {
      given++;
      b.things++;
      hq_waitq_wake_one(&b.q);
    }
    pthread_mutex_unlock(&b.lock);
    if (turn % 5 == 0) test_until(locked(&b, &b.things) == 0, 10000);
    if (turn % 7 == 0) test_sleep_ms(1); /* so that some waits end by time */
  }
  test_until(locked(&b, &b.taken) == given, 10000);
  pthread_mutex_lock(&b.lock);
  b.end = true;
  hq_waitq_wake_all(&b.q);
  pthread_mutex_unlock(&b.lock);
  int cancels = 0, timeouts = 0, spares = 0;
  for (int i = 0; i < N; i++) {
    pthread_join(t[i].thread, NULL);
    cancels += t[i].cancels;
    timeouts += t[i].timeouts;
    assert_int_equal(0, t[i].in_vain);
    heroq_call_free(t[i].call);
  }
  assert_true(given > 100 && cancels > 10 && timeouts > 10);
  assert_int_equal(0, b.q.count);
  for (hq_waiting *w = b.q.spare; w; w = w->next) spares++;
  assert_in_range(spares, 1, N); /* descriptors are used again */
  box_free(&b);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_notice_is_readable_while_set), cmocka_unit_test(only_our_own_descriptor_is_closed),
      cmocka_unit_test(time_and_cancel_end_a_wait),     cmocka_unit_test(one_wake_wakes_the_oldest),
      cmocka_unit_test(one_may_leave_the_middle),       cmocka_unit_test(no_wake_is_lost),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
