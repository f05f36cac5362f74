/* A thousand results awaited by one thread that never blocks but in poll. Every tag completes exactly once. */
#include "sketch.h"
#include <poll.h>
#include <pthread.h>

enum { JOBS = 1000 };

static heroq_status echo(heroq_job *job, void *user_data, heroq_error *err) {
  size_t size;
  const void *script = heroq_job_script(job, &size);
  (void)user_data;
  return heroq_job_finish(job, script, size, 0, NULL, err);
}

static void *run_actor(void *actor) {
  heroq_error err;
  MUST(heroq_actor_run(actor, echo, NULL, NULL, &err), err);
  return NULL;
}

static void submit_all(heroq_waiter *waiter, const char *type) {
  heroq_error err;
  for (int i = 0; i < JOBS; i++) {
    char script[16];
    heroq_job *job;
    MUST(heroq_job_new(type, script, (size_t)snprintf(script, sizeof script, "%d", i), &job, &err), err);
    MUST(heroq_waiter_submit(waiter, job, i, 30000, &err), err);
    heroq_job_free(job); /* the waiter keeps what it needs */
  }
}

static void check_completion(const heroq_record *completion, char *seen) {
  char want[16];
  size_t size;
  int64_t tag = sketch_int(completion, "tag");
  const void *output = heroq_record_bytes(completion, heroq_record_find(completion, "output"), &size);
  SAME(sketch_int(completion, "status"), HEROQ_OK);
  SAME(tag >= 0 && tag < JOBS, 1);
  SAME(seen[tag]++, 0);
  snprintf(want, sizeof want, "%d", (int)tag);
  SAME(size, strlen(want));
  SAME(memcmp(output, want, size), 0);
}

int main(int argc, char **argv) {
  static char seen[JOBS];
  heroq_error err;
  heroq_client *client;
  heroq_actor *actor;
  heroq_waiter *waiter;
  pthread_t thread;
  int done = 0;
  const char *type = sketch_type("thousand");

  MUST(heroq_client_open(sketch_url(argc, argv), NULL, &client, NULL, &err), err);
  MUST(heroq_actor_open(client, "thousand_actor", type, NULL, &actor, NULL, &err), err);
  MUST(heroq_waiter_open(client, NULL, &waiter, &err), err);
  pthread_create(&thread, NULL, run_actor, actor);

  submit_all(waiter, type);
  SAME(heroq_waiter_count(waiter), JOBS);
  struct pollfd fd = {.fd = heroq_waiter_fd(waiter), .events = POLLIN};
  while (done < JOBS) {
    heroq_record *completion;
    SAME(poll(&fd, 1, 30000), 1);
    for (;;) {
      MUST(heroq_waiter_take(waiter, 0, &completion, NULL, &err), err);
      if (!completion) break;
      check_completion(completion, seen);
      heroq_record_free(completion);
      done++;
    }
  }
  SAME(heroq_waiter_count(waiter), 0);
  SAME(poll(&fd, 1, 0), 0);

  MUST(heroq_actor_close(actor, 1000, NULL, NULL, &err), err);
  pthread_join(thread, NULL);  /* run returns HEROQ_OK when its actor is closed */
  heroq_client_close(client);  /* closes the waiter too */
  SAME(poll(&fd, 1, 5000), 1); /* the end is readable */
  heroq_record *none;
  SAME(heroq_waiter_take(waiter, HEROQ_FOREVER, &none, NULL, &err), HEROQ_E_CLOSED);
  heroq_waiter_free(waiter);
  heroq_actor_free(actor);
  heroq_client_free(client);
  printf("thousand_awaits: %d results, each tag once\n", done);
  return 0;
}
