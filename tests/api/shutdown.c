/* The ways to go down: drain and its event, close with jobs still out, close from another thread, free in any order. */
#include "sketch.h"
#include <pthread.h>

static const char *url, *type;

static heroq_client *open_client(void) {
  heroq_error err;
  heroq_client *client;
  MUST(heroq_client_open(url, NULL, &client, NULL, &err), err);
  return client;
}

static heroq_actor *open_actor(heroq_client *client) {
  heroq_error err;
  heroq_actor *actor;
  MUST(heroq_actor_open(client, "shutdown_actor", type, NULL, &actor, NULL, &err), err);
  return actor;
}

static void submit(heroq_client *client, int n) {
  heroq_error err;
  heroq_supervisor *supervisor;
  MUST(heroq_supervisor_open(client, NULL, &supervisor, &err), err);
  for (int i = 0; i < n; i++) {
    heroq_job *job;
    MUST(heroq_job_new(type, "work", 4, &job, &err), err);
    MUST(heroq_supervisor_submit(supervisor, job, NULL, &err), err);
    heroq_job_free(job);
  }
  heroq_supervisor_free(supervisor);
}

static heroq_job *take(heroq_actor *actor) {
  heroq_error err;
  heroq_job *job;
  MUST(heroq_actor_take(actor, 5000, &job, NULL, &err), err);
  SAME(job != NULL, 1);
  return job;
}

/* drain: the handler that runs may finish, the rest goes back, the event tells the end. */
static void drain_then_close(void) {
  heroq_error err;
  heroq_client *client = open_client();
  heroq_actor *actor = open_actor(client);
  heroq_record *event = NULL;
  heroq_job *none = NULL;
  int32_t unacked = -1;
  submit(client, 3);
  heroq_job *job = take(actor);

  MUST(heroq_actor_drain(actor, 5000, &err), err);
  for (int i = 0; i < 1000 && heroq_job_stop_reason(job) == HEROQ_STOP_NONE; i++) usleep(1000);
  SAME(heroq_job_stop_reason(job), HEROQ_STOP_DRAIN); /* the handler learns it, from the actor's thread */
  SAME(heroq_actor_take(actor, HEROQ_FOREVER, &none, NULL, &err), HEROQ_E_CLOSED);
  MUST(heroq_job_finish(job, "done", 4, 0, NULL, &err), err);
  SAME(heroq_job_finish(job, "twice", 5, 0, NULL, &err), HEROQ_E_SETTLED);
  for (int drained = 0; !drained;) {
    MUST(heroq_actor_next_event(actor, 5000, &event, NULL, &err), err);
    SAME(event != NULL, 1);
    drained = strcmp(heroq_record_text(event, heroq_record_find(event, "event")), "drained") == 0;
    heroq_record_free(event);
  }
  MUST(heroq_actor_close(actor, 0, &unacked, NULL, &err), err);
  SAME(unacked, 0);
  MUST(heroq_actor_close(actor, 0, NULL, NULL, &err), err); /* again and again */
  heroq_job_free(job);
  heroq_actor_free(actor);
  heroq_client_close(client);
  heroq_client_free(client);
}

/* close gives back what is out; the handle stays valid, its result is refused; another actor gets the job. */
static void close_with_jobs_out(void) {
  heroq_error err;
  heroq_client *client = open_client();
  heroq_actor *actor = open_actor(client);
  heroq_job *job = take(actor); /* one of the two that drain_then_close left */
  MUST(heroq_actor_close(actor, 0, NULL, NULL, &err), err);
  SAME(heroq_job_finish(job, "late", 4, 0, NULL, &err), HEROQ_E_LOST);
  SAME(strlen(heroq_job_id(job)) > 0, 1);

  /* Parents first: the children keep their memory. */
  heroq_client_close(client);
  heroq_client_free(client);
  heroq_actor_free(actor);
  heroq_job_free(job);

  client = open_client();
  actor = open_actor(client);
  for (int i = 0; i < 2; i++) {
    job = take(actor);
    MUST(heroq_job_finish(job, "done", 4, HEROQ_SYNC, NULL, &err), err);
    heroq_job_free(job);
  }
  heroq_client_close(client); /* closes the actor with grace 0: what was acknowledged stays */
  SAME(heroq_actor_take(actor, 0, &job, NULL, &err), HEROQ_E_CLOSED);
  heroq_actor_free(actor);
  heroq_client_free(client);
}

static void *close_soon(void *client) {
  usleep(100000);
  heroq_client_close(client);
  return NULL;
}

/* Closing the client wakes whoever waits in any of its children. */
static void closed_by_another_thread(void) {
  heroq_error err;
  heroq_client *client = open_client();
  heroq_actor *actor = open_actor(client);
  heroq_waiter *waiter;
  heroq_job *job;
  heroq_record *completion;
  pthread_t closer;
  MUST(heroq_waiter_open(client, NULL, &waiter, &err), err);
  MUST(heroq_waiter_add(waiter, "nobody-knows-it", 7, HEROQ_FOREVER, &err), err);
  pthread_create(&closer, NULL, close_soon, client);
  SAME(heroq_actor_take(actor, HEROQ_FOREVER, &job, NULL, &err), HEROQ_E_CLOSED);
  MUST(heroq_waiter_take(waiter, 5000, &completion, NULL, &err), err);
  SAME(completion != NULL, 1);
  SAME(sketch_int(completion, "tag"), 7); /* its last completion: expired before the close, or closed with it */
  int64_t status = sketch_int(completion, "status");
  SAME(status == HEROQ_E_CLOSED || status == HEROQ_E_EXPIRED, 1);
  heroq_record_free(completion);
  SAME(heroq_waiter_take(waiter, 5000, &completion, NULL, &err), HEROQ_E_CLOSED);
  pthread_join(closer, NULL);
  SAME(heroq_client_ping(client, NULL, NULL, &err), HEROQ_E_CLOSED);
  heroq_client_free(client);
  heroq_waiter_free(waiter);
  heroq_actor_free(actor);
}

int main(int argc, char **argv) {
  url = sketch_url(argc, argv);
  type = sketch_type("shutdown");
  drain_then_close();
  close_with_jobs_out();
  closed_by_another_thread();
  printf("shutdown: drained, closed and freed in every order\n");
  return 0;
}
