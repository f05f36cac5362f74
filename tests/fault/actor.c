/* The C twin of actor.py, which starts in milliseconds: actor URL LEDGER [OPTION=VALUE…]. */
#include <errno.h>
#include <fcntl.h>
#include <heroq/heroq.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int ledger;
static heroq_error err;

static void check(heroq_status status) {
  if (!status) return;
  fprintf(stderr, "actor: %s: %s\n", heroq_status_name(status), err.text);
  exit(1);
}

static void nap(long ms) {
  struct timespec left = {ms / 1000, ms % 1000 * 1000000};
  while (nanosleep(&left, &left) && errno == EINTR) {
  }
}

static void note(const char *what, const heroq_job *job) {
  char line[512];
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  int n = snprintf(line, sizeof line, "%s %s %d %d %.6f\n", what, heroq_job_id(job), (int)heroq_job_attempt(job),
                   (int)getpid(), (double)now.tv_sec + (double)now.tv_nsec / 1e9);
  if (write(ledger, line, (size_t)n) != n) abort();
}

/* What is left of the text behind the word, or NULL if it does not begin with it. */
static const char *behind(const char *text, const char *word) {
  size_t n = strlen(word);
  return !strncmp(text, word, n) && (text[n] == ' ' || !text[n]) ? text + n + (text[n] == ' ') : NULL;
}

static void handle(heroq_job *job) {
  char script[256] = "", output[320];
  const char *rest;
  size_t size;
  const void *bytes = heroq_job_script(job, &size);
  memcpy(script, bytes, size < sizeof script ? size : sizeof script - 1);
  long attempt = (long)heroq_job_attempt(job);
  note("start", job);
  if (behind(script, "die")) kill(getpid(), SIGKILL);
  if ((rest = behind(script, "nap"))) {
    for (long left = strtol(rest, NULL, 10); left > 0 && !heroq_job_stop_reason(job); left -= 10)
      nap(left < 10 ? left : 10);
  }
  if ((rest = behind(script, "wait"))) {
    while (access(rest, F_OK)) nap(5);
  }
  snprintf(output, sizeof output, "%s %d %ld", script, (int)getpid(), attempt);
  heroq_status status;
  if ((rest = behind(script, "fail")) && attempt <= strtol(rest, NULL, 10))
    status = heroq_job_fail(job, output, strlen(output), HEROQ_SYNC, NULL, &err);
  else if ((rest = behind(script, "retry")) && attempt == 1)
    status = heroq_job_retry(job, strtol(rest, NULL, 10), output, strlen(output), HEROQ_SYNC, NULL, &err);
  else {
    status = heroq_job_finish(job, output, strlen(output), HEROQ_SYNC, NULL, &err);
    if (!status) note("end", job);
  }
  if (status == HEROQ_E_LOST || status == HEROQ_E_SETTLED) note("refused", job);
}

int main(int argc, char **argv) {
  heroq_client *client;
  heroq_options *options;
  heroq_actor *actor;
  if (argc < 3) return 64;
  ledger = open(argv[2], O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
  if (ledger < 0) return 66;
  check(heroq_options_new(&options, &err));
  check(heroq_options_set(options, "log", "off", &err));
  check(heroq_options_set(options, "connect", "wait", &err));
  for (int i = 3; i < argc; i++) {
    char *value = strchr(argv[i], '=');
    if (!value) return 64;
    *value++ = 0;
    check(heroq_options_set(options, argv[i], value, &err));
  }
  check(heroq_client_open(argv[1], options, &client, NULL, &err));
  check(heroq_actor_open(client, "fault", "fault", options, &actor, NULL, &err));
  for (;;) {
    heroq_job *job;
    check(heroq_actor_take(actor, HEROQ_FOREVER, &job, NULL, &err));
    if (!job) continue;
    handle(job);
    heroq_job_free(job);
  }
}
