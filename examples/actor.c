/* The first actor in C: takes jobs of one script type and answers how many lines, words and bytes their scripts have.
 *
 *   cc actor.c -o actor $(pkg-config --cflags --libs heroq)
 *   ./actor [URL [TYPE]]                     redis://localhost osis
 *
 * Ctrl-C or SIGTERM end it: the job that runs is finished, the jobs taken ahead go back. */
#include <heroq/heroq.h>

#include <ctype.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>

#define GRACE_MS 10000

static heroq_call *waiting; /* what the signal handler cancels */

static void on_signal(int number) {
  (void)number;
  heroq_call_cancel(waiting);
}

static heroq_status handle(heroq_job *job, void *user_data, heroq_error *err) {
  (void)user_data;
  size_t size, lines = 0, words = 0;
  const unsigned char *script = heroq_job_script(job, &size);
  if (size == 0) {
    static const char why[] = "nothing to count: the script is empty";
    return heroq_job_fail(job, why, sizeof why - 1, HEROQ_NO_RETRY, NULL, err);
  }
  for (size_t i = 0; i < size; i++) {
    lines += script[i] == '\n';
    words += !isspace(script[i]) && (i == 0 || isspace(script[i - 1]));
  }
  char text[80];
  int n = snprintf(text, sizeof text, "%zu lines, %zu words, %zu bytes", lines, words, size);
  printf("%s, attempt %" PRId64 ": %s\n", heroq_job_id(job), heroq_job_attempt(job), text);
  return heroq_job_finish(job, text, (size_t)n, 0, NULL, err);
}

int main(int argc, char **argv) {
  const char *url = argc > 1 ? argv[1] : NULL; /* NULL: $HEROQ_URL, else redis://localhost */
  const char *type = argc > 2 ? argv[2] : "osis";
  heroq_error err = {0};
  heroq_client *client = NULL;
  heroq_actor *actor = NULL;
  int32_t unacked = 0;
  int result = 1;

  setvbuf(stdout, NULL, _IOLBF, 0);
  if (heroq_call_new(&waiting, &err) || heroq_client_open(url, NULL, &client, waiting, &err) ||
      heroq_actor_open(client, "counting_actor", type, NULL, &actor, waiting, &err))
    goto end;
  signal(SIGINT, on_signal);
  signal(SIGTERM, on_signal);
  printf("taking %s jobs\n", type);

  if (heroq_actor_run(actor, handle, NULL, waiting, &err) != HEROQ_E_CANCELLED) goto end;
  if (heroq_actor_close(actor, GRACE_MS, &unacked, NULL, &err)) goto end;
  if (unacked > 0) fprintf(stderr, "actor: %" PRId32 " results were not acknowledged\n", unacked);
  result = unacked > 0;

end:
  if (err.code && err.code != HEROQ_E_CANCELLED) fprintf(stderr, "actor: %s\n", err.text);
  heroq_actor_free(actor);
  heroq_client_close(client);
  heroq_client_free(client);
  heroq_call_free(waiting);
  return result;
}
