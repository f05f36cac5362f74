/* The first actor: a supervisor submits one job, an actor runs it, the supervisor reads the result. One thread. */
#include "sketch.h"

int main(int argc, char **argv) {
  heroq_error err;
  heroq_client *client;
  heroq_supervisor *supervisor;
  heroq_actor *actor;
  heroq_job *job, *taken;
  heroq_bytes *output;
  const char *type = sketch_type("first");

  MUST(heroq_client_open(sketch_url(argc, argv), NULL, &client, NULL, &err), err);
  MUST(heroq_supervisor_open(client, NULL, &supervisor, &err), err);
  MUST(heroq_job_new(type, "40 + 2", 6, &job, &err), err);
  MUST(heroq_supervisor_submit(supervisor, job, NULL, &err), err);

  MUST(heroq_actor_open(client, "first_actor", type, NULL, &actor, NULL, &err), err);
  MUST(heroq_actor_take(actor, 5000, &taken, NULL, &err), err);
  SAME(taken != NULL, 1);
  SAME(strcmp(heroq_job_id(taken), heroq_job_id(job)), 0);
  SAME(heroq_job_attempt(taken), 1);
  MUST(heroq_job_finish(taken, "42", 2, 0, NULL, &err), err);
  heroq_job_free(taken);

  MUST(heroq_supervisor_await_result(supervisor, heroq_job_id(job), 5000, &output, NULL, &err), err);
  SAME(heroq_bytes_size(output), 2);
  SAME(memcmp(heroq_bytes_data(output), "42", 2), 0);
  heroq_bytes_free(output);

  MUST(heroq_actor_close(actor, 1000, NULL, NULL, &err), err);
  heroq_job_free(job);
  heroq_actor_free(actor);
  heroq_supervisor_free(supervisor);
  heroq_client_close(client);
  heroq_client_free(client);
  printf("first_actor: one job, one result\n");
  return 0;
}
