/* Calls: deadlines, and a cancel that comes from anywhere, stays, and is never lost. */
#include "support.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "wait.h"

static heroq_call *new_call(void) {
  heroq_call *call;
  assert_ok(heroq_call_new(&call, NULL), NULL);
  return call;
}

static heroq_status wait_ms(int fd, int64_t timeout_ms, const heroq_call *call) {
  short revents;
  return hq_wait_fd(fd, POLLIN, hq_wait_deadline(timeout_ms, call), call, &revents);
}

static void time_ends_a_wait(void **state) {
  (void)state;
  heroq_call *call = new_call();
  heroq_error err;
  int64_t begin = test_now_ms();
  assert_int_equal(HEROQ_E_TIMEOUT, wait_ms(-1, 50, call));
  assert_in_range(test_now_ms() - begin, 49, 1000);
  assert_int_equal(HEROQ_E_TIMEOUT, wait_ms(-1, 0, call));
  assert_int_equal(HEROQ_E_TIMEOUT, wait_ms(-1, 0, NULL));
  /* The earlier of both limits counts. */
  assert_ok(heroq_call_set_timeout(call, 30, &err), &err);
  begin = test_now_ms();
  assert_int_equal(HEROQ_E_TIMEOUT, wait_ms(-1, HEROQ_FOREVER, call));
  assert_int_equal(HEROQ_E_TIMEOUT, wait_ms(-1, 60000, call));
  assert_in_range(test_now_ms() - begin, 29, 1000);
  assert_ok(heroq_call_set_timeout(call, HEROQ_FOREVER, &err), &err);
  assert_true(hq_wait_deadline(HEROQ_FOREVER, call) == HQ_NEVER);
  assert_ok(heroq_call_set_timeout(call, INT64_MAX, &err), &err);
  assert_true(hq_wait_deadline(HEROQ_FOREVER, call) == HQ_NEVER);
  assert_status(HEROQ_E_INVALID, heroq_call_set_timeout(call, -2, &err), &err);
  heroq_call_free(call);
}

static void a_ready_descriptor_ends_a_wait(void **state) {
  (void)state;
  heroq_call *call = new_call();
  int fd[2];
  short revents = 77;
  assert_int_equal(0, pipe(fd));
  assert_int_equal(HEROQ_E_TIMEOUT, hq_wait_fd(fd[0], POLLIN, hq_mono_ms(), call, &revents));
  assert_int_equal(0, revents);
  assert_int_equal(1, write(fd[1], "x", 1));
  assert_int_equal(HEROQ_OK, hq_wait_fd(fd[0], POLLIN, hq_mono_ms(), call, &revents)); /* also when time is over */
  assert_int_equal(POLLIN, revents);
  assert_int_equal(HEROQ_OK, hq_wait_fd(fd[1], POLLOUT, HQ_NEVER, NULL, &revents));
  assert_int_equal(POLLOUT, revents);
  heroq_call_cancel(call);
  assert_int_equal(HEROQ_E_CANCELLED, hq_wait_fd(fd[0], POLLIN, HQ_NEVER, call, &revents));
  close(fd[1]);
  heroq_call_reset(call);
  assert_int_equal(1, read(fd[0], &(char){0}, 1));
  assert_int_equal(HEROQ_OK, hq_wait_fd(fd[0], POLLIN, HQ_NEVER, call, &revents));
  assert_true(revents & POLLHUP);
  close(fd[0]);
  heroq_call_free(call);
}

static void a_cancel_stays_until_reset(void **state) {
  (void)state;
  heroq_call *call = new_call(), *other = new_call();
  assert_int_equal(0, heroq_call_is_cancelled(call));
  heroq_call_cancel(call);
  heroq_call_cancel(call);
  for (int i = 0; i < 3; i++) {
    assert_int_equal(1, heroq_call_is_cancelled(call));
    assert_int_equal(HEROQ_E_CANCELLED, wait_ms(-1, HEROQ_FOREVER, call));
    assert_int_equal(HEROQ_E_CANCELLED, wait_ms(-1, 0, call));
  }
  assert_int_equal(HEROQ_E_TIMEOUT, wait_ms(-1, 1, other)); /* only the calls made with it */
  assert_int_equal(0, heroq_call_is_cancelled(other));
  heroq_call_reset(call);
  assert_int_equal(0, heroq_call_is_cancelled(call));
  assert_int_equal(HEROQ_E_TIMEOUT, wait_ms(-1, 1, call));
  heroq_call_free(call);
  heroq_call_free(other);
}

static void null_is_harmless(void **state) {
  (void)state;
  heroq_error err;
  assert_status(HEROQ_E_INVALID, heroq_call_new(NULL, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_call_set_timeout(NULL, 1, &err), &err);
  heroq_call_cancel(NULL);
  heroq_call_reset(NULL);
  assert_int_equal(0, heroq_call_is_cancelled(NULL));
  heroq_call_free(NULL);
}

typedef struct waiter {
  heroq_call *call;
  pthread_t thread;
  heroq_status status;
} waiter;

static void *wait_for_ever(void *arg) {
  waiter *w = arg;
  w->status = wait_ms(-1, HEROQ_FOREVER, w->call);
  return NULL;
}

static void a_cancel_ends_the_waits_of_all_threads(void **state) {
  (void)state;
  enum { N = 8 };
  waiter w[N];
  heroq_call *call = new_call();
  for (int i = 0; i < N; i++) {
    w[i] = (waiter){.call = call};
    assert_int_equal(0, pthread_create(&w[i].thread, NULL, wait_for_ever, &w[i]));
  }
  test_sleep_ms(20);
  int64_t begin = test_now_ms();
  heroq_call_cancel(call);
  for (int i = 0; i < N; i++) {
    pthread_join(w[i].thread, NULL);
    assert_int_equal(HEROQ_E_CANCELLED, w[i].status);
  }
  assert_true(test_now_ms() - begin < 1000);
  heroq_call_free(call);
}

/* The cancel comes at every moment around the begin of the wait; the test hangs where one is lost. */
static void no_cancel_is_lost(void **state) {
  (void)state;
  heroq_call *call = new_call();
  for (int i = 0; i < 2000; i++) {
    waiter w = {.call = call};
    assert_int_equal(0, pthread_create(&w.thread, NULL, wait_for_ever, &w));
    for (volatile int spin = 0; spin < i * 7 % 3000; spin++)
      ;
    heroq_call_cancel(call);
    pthread_join(w.thread, NULL);
    assert_int_equal(HEROQ_E_CANCELLED, w.status);
    heroq_call_reset(call);
  }
  heroq_call_free(call);
}

static void *cancel_often(void *arg) {
  for (int i = 0; i < 20000; i++) heroq_call_cancel(arg);
  return NULL;
}

/* Not a use that is promised; but whatever comes of it, a cancel that came last must end the wait. */
static void a_cancel_that_meets_a_reset_counts(void **state) {
  (void)state;
  heroq_call *call = new_call();
  pthread_t thread;
  assert_int_equal(0, pthread_create(&thread, NULL, cancel_often, call));
  for (int i = 0; i < 20000; i++) heroq_call_reset(call);
  pthread_join(thread, NULL);
  heroq_call_cancel(call);
  assert_int_equal(HEROQ_E_CANCELLED, wait_ms(-1, HEROQ_FOREVER, call));
  heroq_call_reset(call);
  assert_int_equal(HEROQ_E_TIMEOUT, wait_ms(-1, 1, call));
  heroq_call_free(call);
}

static heroq_call *signalled;
static void cancel_in_handler(int sig) {
  (void)sig;
  int saved = errno;
  errno = 12345;
  heroq_call_cancel(signalled);
  if (errno != 12345) abort();
  errno = saved;
}

static void a_signal_handler_may_cancel(void **state) {
  (void)state;
  struct sigaction sa = {.sa_handler = cancel_in_handler}, old;
  signalled = new_call();
  sigaction(SIGALRM, &sa, &old);
  struct itimerval once = {.it_value = {0, 30000}};
  setitimer(ITIMER_REAL, &once, NULL);
  int64_t begin = test_now_ms();
  assert_int_equal(HEROQ_E_CANCELLED, wait_ms(-1, 20000, signalled));
  assert_in_range(test_now_ms() - begin, 25, 2000);
  assert_int_equal(1, heroq_call_is_cancelled(signalled));
  sigaction(SIGALRM, &old, NULL);
  heroq_call_free(signalled);
}

static volatile sig_atomic_t storms;
static void count_storm(int sig) {
  (void)sig;
  storms++;
}

static void a_storm_of_signals_ends_no_wait(void **state) {
  (void)state;
  heroq_call *call = new_call();
  struct sigaction sa = {.sa_handler = count_storm}, old; /* no SA_RESTART: poll answers EINTR */
  sigaction(SIGALRM, &sa, &old);
  struct itimerval storm = {.it_interval = {0, 1000}, .it_value = {0, 1000}}, calm = {0};
  setitimer(ITIMER_REAL, &storm, NULL);
  int64_t begin = test_now_ms();
  assert_int_equal(HEROQ_E_TIMEOUT, wait_ms(-1, 300, call));
  int64_t took = test_now_ms() - begin;
  setitimer(ITIMER_REAL, &calm, NULL);
  sigaction(SIGALRM, &old, NULL);
  assert_in_range(took, 299, 2000);
  assert_true(storms > 20);
  heroq_call_free(call);
}

/* The descriptor is shared with the child, the handle is not. */
static void a_child_cancels_nothing_of_its_parent(void **state) {
  (void)state;
  heroq_call *call = new_call();
  pid_t child = fork();
  if (!child) {
    heroq_call_cancel(call);
    bool right = heroq_call_is_cancelled(call) && wait_ms(-1, HEROQ_FOREVER, call) == HEROQ_E_CANCELLED;
    heroq_call_free(call);
    _exit(right ? 42 : 1);
  }
  int status;
  assert_int_equal(child, waitpid(child, &status, 0));
  assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 42);
  assert_int_equal(HEROQ_E_TIMEOUT, wait_ms(-1, 20, call));
  heroq_call_cancel(call);
  assert_int_equal(HEROQ_E_CANCELLED, wait_ms(-1, HEROQ_FOREVER, call));
  heroq_call_free(call);
}

static void a_closed_notice_does_not_spin(void **state) {
  (void)state;
  heroq_call *call = new_call();
  close(call->notice.rfd);
  assert_int_equal(HEROQ_E_INTERNAL, wait_ms(-1, 60000, call));
  heroq_call_free(call);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(time_ends_a_wait),
      cmocka_unit_test(a_ready_descriptor_ends_a_wait),
      cmocka_unit_test(a_cancel_stays_until_reset),
      cmocka_unit_test(null_is_harmless),
      cmocka_unit_test(a_cancel_ends_the_waits_of_all_threads),
      cmocka_unit_test(no_cancel_is_lost),
      cmocka_unit_test(a_cancel_that_meets_a_reset_counts),
      cmocka_unit_test(a_signal_handler_may_cancel),
      cmocka_unit_test(a_storm_of_signals_ends_no_wait),
      cmocka_unit_test(a_child_cancels_nothing_of_its_parent),
      cmocka_unit_test(a_closed_notice_does_not_spin),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
