/* A waiting call is ended from another thread and from a signal handler; only the calls with that handle end. */
#include "sketch.h"
#include <pthread.h>
#include <signal.h>

static heroq_call *interrupted; /* what the signal handler ends */

static void on_alarm(int number) {
  (void)number;
  heroq_call_cancel(interrupted);
}

static void *cancel_soon(void *call) {
  usleep(100000);
  heroq_call_cancel(call);
  return NULL;
}

typedef struct other_take {
  heroq_actor *actor;
  heroq_status status;
  heroq_job *job;
} other_take;

static void *take_without_call(void *arg) {
  other_take *other = arg;
  other->status = heroq_actor_take(other->actor, 1500, &other->job, NULL, NULL);
  return NULL;
}

static void ended_by_thread(heroq_actor *actor) {
  heroq_error err;
  heroq_call *call;
  heroq_job *job = NULL;
  pthread_t canceller, taker;
  other_take other = {actor, -1, NULL};
  int64_t began = sketch_now_ms();

  MUST(heroq_call_new(&call, &err), err);
  pthread_create(&taker, NULL, take_without_call, &other);
  pthread_create(&canceller, NULL, cancel_soon, call);
  SAME(heroq_actor_take(actor, HEROQ_FOREVER, &job, call, &err), HEROQ_E_CANCELLED);
  SAME(job == NULL, 1);
  SAME(sketch_now_ms() - began < 1000, 1);
  SAME(heroq_call_is_cancelled(call), 1);
  SAME(heroq_actor_take(actor, HEROQ_FOREVER, &job, call, &err), HEROQ_E_CANCELLED); /* sticky: no cancel is lost */
  pthread_join(canceller, NULL);
  pthread_join(taker, NULL);
  SAME(other.status, HEROQ_OK); /* the other take went on to its own end */
  SAME(sketch_now_ms() - began >= 1400, 1);

  heroq_call_reset(call);
  MUST(heroq_call_set_timeout(call, 100, &err), err);
  SAME(heroq_actor_take(actor, HEROQ_FOREVER, &job, call, &err), HEROQ_E_TIMEOUT);
  heroq_call_free(call);
}

static void ended_by_signal(heroq_supervisor *supervisor, const char *type) {
  heroq_error err;
  heroq_job *job;
  heroq_bytes *output = NULL;
  struct sigaction action = {.sa_handler = on_alarm};

  MUST(heroq_call_new(&interrupted, &err), err);
  sigaction(SIGALRM, &action, NULL);
  MUST(heroq_job_new(type, "never run", 9, &job, &err), err);
  alarm(1);
  SAME(heroq_supervisor_run_job_and_await_result(supervisor, job, HEROQ_FOREVER, &output, interrupted, &err),
       HEROQ_E_CANCELLED);
  SAME(output == NULL, 1);

  /* The job goes on: it is still queued, and can be awaited again. */
  heroq_call_reset(interrupted);
  SAME(heroq_supervisor_await_result(supervisor, heroq_job_id(job), 50, &output, interrupted, &err), HEROQ_E_TIMEOUT);
  heroq_record *outcome;
  MUST(heroq_supervisor_stop_job(supervisor, heroq_job_id(job), &outcome, interrupted, &err), err);
  SAME(strcmp(heroq_record_text(outcome, heroq_record_find(outcome, "outcome")), "cancelled"), 0);
  SAME(heroq_supervisor_await_result(supervisor, heroq_job_id(job), 1000, &output, interrupted, &err), HEROQ_E_FAILED);
  heroq_bytes_free(output); /* the whole error text */
  heroq_record_free(outcome);
  heroq_job_free(job);
  heroq_call_free(interrupted);
}

int main(int argc, char **argv) {
  heroq_error err;
  heroq_client *client;
  heroq_supervisor *supervisor;
  heroq_actor *actor;
  const char *type = sketch_type("cancel");

  MUST(heroq_client_open(sketch_url(argc, argv), NULL, &client, NULL, &err), err);
  MUST(heroq_supervisor_open(client, NULL, &supervisor, &err), err);
  MUST(heroq_actor_open(client, "cancel_actor", type, NULL, &actor, NULL, &err), err);
  ended_by_thread(actor);
  MUST(heroq_actor_close(actor, 0, NULL, NULL, &err), err);
  ended_by_signal(supervisor, type);
  heroq_client_close(client);
  heroq_supervisor_free(supervisor);
  heroq_actor_free(actor);
  heroq_client_free(client);
  printf("cancel: ended by a thread and by a signal, nothing else was\n");
  return 0;
}
