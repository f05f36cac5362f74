/* The first supervisor in C: submits one job, waits for its result, prints it.
 *
 *   cc supervisor.c -o supervisor $(pkg-config --cflags --libs heroq)
 *   ./supervisor [URL [TYPE [SCRIPT]]]       redis://localhost osis "one two three"
 *
 * Exit code: 0 finished, 1 no way to the server, 2 the job ended with an error, 3 not in time (the job goes on). */
#include <heroq/heroq.h>

#include <stdio.h>
#include <string.h>

#define WAIT_MS 10000

static int exit_code(heroq_status status) {
  switch (status) {
  case HEROQ_OK: return 0;
  case HEROQ_E_FAILED: return 2;
  case HEROQ_E_TIMEOUT: return 3;
  default: return 1;
  }
}

int main(int argc, char **argv) {
  const char *url = argc > 1 ? argv[1] : NULL; /* NULL: $HEROQ_URL, else redis://localhost */
  const char *type = argc > 2 ? argv[2] : "osis";
  const char *script = argc > 3 ? argv[3] : "one two three\n";
  heroq_error err = {0};
  heroq_client *client = NULL;
  heroq_supervisor *supervisor = NULL;
  heroq_job *job = NULL;
  heroq_bytes *output = NULL;
  heroq_status status;

  if ((status = heroq_client_open(url, NULL, &client, NULL, &err)) ||
      (status = heroq_supervisor_open(client, NULL, &supervisor, &err)) ||
      (status = heroq_job_new(type, script, strlen(script), &job, &err)))
    goto end;
  status = heroq_supervisor_run_job_and_await_result(supervisor, job, WAIT_MS, &output, NULL, &err);
  if (status == HEROQ_OK) {
    fwrite(heroq_bytes_data(output), 1, heroq_bytes_size(output), stdout);
    putchar('\n');
  }

end:
  if (status) fprintf(stderr, "supervisor: %s\n", err.text);
  heroq_bytes_free(output);
  heroq_job_free(job);
  heroq_supervisor_free(supervisor);
  heroq_client_close(client);
  heroq_client_free(client);
  return exit_code(status);
}
