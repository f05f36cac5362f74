/* Many green threads on one OS thread: whoever waits yields to the scheduler, and only the scheduler sleeps, in poll.
 * No call of the library may block here, so the client connects lazily, jobs go out through the waiter, and the actor
 * goes down by drain and its event. Callers and actors are on the same OS thread: a blocking call would never end. */
#include "sketch.h"
#include <poll.h>
#include <ucontext.h>

enum { CALLERS = 50, ACTORS = 10, CALLS = 10, GREENS = CALLERS + ACTORS, STACK = 64 * 1024, SLOW_MS = 100 };

typedef struct green {
  ucontext_t context;
  int over, waiting_tag; /* -1: runnable when its descriptor is */
  heroq_record *completion;
} green;

static ucontext_t scheduler;
static green greens[GREENS];
static green *current;
static heroq_actor *actor;
static heroq_waiter *waiter;
static const char *type;
static int results, handled, callers_left = CALLERS;
static int64_t slowest_call;

static void yield(void) { swapcontext(&current->context, &scheduler); }

/* Every call of the library goes through here: none may take long. */
#define QUICK(call)                                                                                                    \
  do {                                                                                                                 \
    int64_t began_ = sketch_now_ms();                                                                                  \
    MUST(call, err);                                                                                                   \
    if (sketch_now_ms() - began_ > slowest_call) slowest_call = sketch_now_ms() - began_;                              \
  } while (0)

static void caller(int me) {
  heroq_error err;
  for (int i = 0; i < CALLS; i++) {
    heroq_job *job;
    QUICK(heroq_job_new(type, "ping", 4, &job, &err));
    QUICK(heroq_waiter_submit(waiter, job, me, 30000, &err));
    heroq_job_free(job);
    current->waiting_tag = me;
    while (!current->completion) yield();
    SAME(sketch_int(current->completion, "status"), HEROQ_OK);
    heroq_record_free(current->completion);
    current->completion = NULL;
    current->waiting_tag = -1;
    results++;
  }
  if (--callers_left == 0) QUICK(heroq_actor_drain(actor, 5000, &err));
  current->over = 1;
  yield();
}

static void worker(int me) {
  heroq_error err;
  (void)me;
  for (;;) {
    heroq_job *job;
    heroq_status status = heroq_actor_take(actor, 0, &job, NULL, &err);
    if (status == HEROQ_E_CLOSED) break;
    MUST(status, err);
    if (job) {
      yield(); /* the handler gives way in the middle of its work */
      QUICK(heroq_job_finish(job, "pong", 4, 0, NULL, &err));
      heroq_job_free(job);
      handled++;
    }
    yield();
  }
  current->over = 1;
  yield();
}

static void spawn(int i, void (*body)(int)) {
  getcontext(&greens[i].context);
  greens[i].context.uc_stack.ss_sp = malloc(STACK);
  greens[i].context.uc_stack.ss_size = STACK;
  greens[i].waiting_tag = -1;
  makecontext(&greens[i].context, (void (*)(void))body, 1, i);
}

static void deliver_completions(void) {
  heroq_error err;
  heroq_record *completion;
  for (;;) {
    QUICK(heroq_waiter_take(waiter, 0, &completion, NULL, &err));
    if (!completion) return;
    greens[sketch_int(completion, "tag")].completion = completion;
  }
}

/* Runs every green thread that can go on; 1 while one is left. */
static int round_of_all(void) {
  int left = 0;
  for (int i = 0; i < GREENS; i++) {
    current = &greens[i];
    if (current->over) continue;
    left = 1;
    if (current->waiting_tag < 0 || current->completion) swapcontext(&scheduler, &current->context);
  }
  return left;
}

static int is_drained(void) {
  heroq_error err;
  heroq_record *event;
  int drained = 0;
  while (!drained) {
    QUICK(heroq_actor_next_event(actor, 0, &event, NULL, &err));
    if (!event) return 0;
    drained = strcmp(heroq_record_text(event, heroq_record_find(event, "event")), "drained") == 0;
    heroq_record_free(event);
  }
  return 1;
}

int main(int argc, char **argv) {
  heroq_error err;
  heroq_client *client;
  heroq_options *options;
  int64_t deadline = sketch_now_ms() + 30000;
  type = sketch_type("green");

  QUICK(heroq_options_new(&options, &err));
  QUICK(heroq_options_set(options, "connect", "lazy", &err));
  QUICK(heroq_client_open(sketch_url(argc, argv), options, &client, NULL, &err));
  heroq_options_free(options);
  QUICK(heroq_actor_open(client, "green_actor", type, NULL, &actor, NULL, &err));
  QUICK(heroq_waiter_open(client, NULL, &waiter, &err));
  for (int i = 0; i < GREENS; i++) spawn(i, i < CALLERS ? caller : worker);

  struct pollfd fds[] = {{.fd = heroq_actor_fd(actor), .events = POLLIN},
                         {.fd = heroq_waiter_fd(waiter), .events = POLLIN},
                         {.fd = heroq_actor_event_fd(actor), .events = POLLIN}};
  while (round_of_all()) {
    SAME(sketch_now_ms() < deadline, 1);
    poll(fds, 2, 10);
    deliver_completions();
  }
  while (!is_drained()) {
    SAME(sketch_now_ms() < deadline, 1);
    poll(&fds[2], 1, 100);
  }
  QUICK(heroq_actor_close(actor, 0, NULL, NULL, &err)); /* after `drained` nothing is left to wait for */
  heroq_client_close(client);
  heroq_waiter_free(waiter);
  heroq_actor_free(actor);
  heroq_client_free(client);
  for (int i = 0; i < GREENS; i++) free(greens[i].context.uc_stack.ss_sp);
  SAME(results, CALLERS * CALLS);
  SAME(handled, results);
  SAME(slowest_call < SLOW_MS, 1);
  printf("green_threads: %d calls by %d green threads, no call blocked\n", results, GREENS);
  return 0;
}
