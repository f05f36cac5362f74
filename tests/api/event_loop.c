/* One thread, one poll loop over an actor, its events and a waiter; 200 jobs are out at a time, as coroutines. */
#include "sketch.h"
#include <poll.h>

enum { JOBS = 2000, OUT = 200, NAP_MS = 20 };

typedef struct nap {
  heroq_job *job;
  int64_t until;
} nap;

typedef struct loop {
  heroq_actor *actor;
  heroq_waiter *waiter;
  nap nap[OUT];
  int out, most, finished, completed;
} loop;

static void start_jobs(loop *l) {
  heroq_error err;
  heroq_job *job;
  for (;;) {
    MUST(heroq_actor_take(l->actor, 0, &job, NULL, &err), err);
    if (!job) return;
    SAME(l->out < OUT, 1); /* the option `concurrency` holds */
    l->nap[l->out++] = (nap){job, sketch_now_ms() + NAP_MS};
    if (l->out > l->most) l->most = l->out;
  }
}

static void wake_sleepers(loop *l) {
  heroq_error err;
  int64_t now = sketch_now_ms();
  for (int i = 0; i < l->out;) {
    if (l->nap[i].until > now) {
      i++;
      continue;
    }
    MUST(heroq_job_finish(l->nap[i].job, "", 0, 0, NULL, &err), err); /* accepted at once, never waits */
    heroq_job_free(l->nap[i].job);
    l->nap[i] = l->nap[--l->out];
    l->finished++;
  }
}

static void read_events(loop *l) {
  heroq_error err;
  heroq_record *event;
  for (;;) {
    MUST(heroq_actor_next_event(l->actor, 0, &event, NULL, &err), err);
    if (!event) return;
    heroq_record_free(event); /* a real host looks up the coroutine by the event's token and stops it */
  }
}

static void read_completions(loop *l) {
  heroq_error err;
  heroq_record *completion;
  for (;;) {
    MUST(heroq_waiter_take(l->waiter, 0, &completion, NULL, &err), err);
    if (!completion) return;
    SAME(sketch_int(completion, "status"), HEROQ_OK);
    heroq_record_free(completion);
    l->completed++;
  }
}

static int next_wake_ms(const loop *l) {
  int64_t now = sketch_now_ms(), first = now + 1000;
  for (int i = 0; i < l->out; i++)
    if (l->nap[i].until < first) first = l->nap[i].until;
  return first > now ? (int)(first - now) : 0;
}

int main(int argc, char **argv) {
  static loop l;
  heroq_error err;
  heroq_client *client;
  heroq_options *options;
  heroq_jobs *jobs;
  const char *type = sketch_type("loop");

  MUST(heroq_client_open(sketch_url(argc, argv), NULL, &client, NULL, &err), err);
  MUST(heroq_options_new(&options, &err), err);
  MUST(heroq_options_set(options, "concurrency", "200", &err), err);
  MUST(heroq_actor_open(client, "loop_actor", type, options, &l.actor, NULL, &err), err);
  heroq_options_free(options);
  MUST(heroq_waiter_open(client, NULL, &l.waiter, &err), err);
  MUST(heroq_jobs_new(&jobs, &err), err);
  for (int i = 0; i < JOBS; i++) {
    heroq_job *job;
    MUST(heroq_job_new(type, "nap", 3, &job, &err), err);
    MUST(heroq_jobs_add(jobs, job, &err), err);
    heroq_job_free(job);
  }
  MUST(heroq_waiter_submit_many(l.waiter, jobs, 0, 60000, &err), err);
  heroq_jobs_free(jobs);

  struct pollfd fds[] = {{.fd = heroq_actor_fd(l.actor), .events = POLLIN},
                         {.fd = heroq_actor_event_fd(l.actor), .events = POLLIN},
                         {.fd = heroq_waiter_fd(l.waiter), .events = POLLIN}};
  int64_t deadline = sketch_now_ms() + 60000;
  while (l.completed < JOBS) {
    SAME(sketch_now_ms() < deadline, 1);
    poll(fds, 3, next_wake_ms(&l));
    if (fds[0].revents) start_jobs(&l);
    if (fds[1].revents) read_events(&l);
    if (fds[2].revents) read_completions(&l);
    wake_sleepers(&l);
  }
  SAME(l.finished, JOBS);
  SAME(l.most, OUT);
  MUST(heroq_actor_close(l.actor, 1000, NULL, NULL, &err), err);
  heroq_client_close(client);
  heroq_waiter_free(l.waiter);
  heroq_actor_free(l.actor);
  heroq_client_free(client);
  printf("event_loop: %d jobs, %d out at a time, one thread\n", l.finished, l.most);
  return 0;
}
