/* The C side of the cross tests:
 *
 *   cross produce URL TYPE [ID]   submits standard input as a job and prints its output
 *   cross await URL ID            prints the output of a job that somebody else has made
 *   cross act URL TYPE N          takes N jobs, prints their ids and answers each with its script backwards
 */
#include <heroq/heroq.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static heroq_error err;

static void must(heroq_status status) {
  if (!status) return;
  fprintf(stderr, "cross: %s\n", err.text);
  exit(1);
}

static void print_and_free(heroq_bytes *output) {
  fwrite(heroq_bytes_data(output), 1, heroq_bytes_size(output), stdout);
  heroq_bytes_free(output);
}

static void produce(heroq_client *client, const char *type, const char *id) {
  static char script[1 << 20];
  size_t size = fread(script, 1, sizeof script, stdin);
  heroq_supervisor *supervisor;
  heroq_job *job;
  heroq_bytes *output;
  must(heroq_supervisor_open(client, NULL, &supervisor, &err));
  must(heroq_job_new(type, script, size, &job, &err));
  if (id) must(heroq_job_set_id(job, id, &err));
  must(heroq_supervisor_run_job_and_await_result(supervisor, job, 20000, &output, NULL, &err));
  print_and_free(output);
  heroq_job_free(job);
  heroq_supervisor_free(supervisor);
}

static void await(heroq_client *client, const char *id) {
  heroq_supervisor *supervisor;
  heroq_bytes *output;
  must(heroq_supervisor_open(client, NULL, &supervisor, &err));
  must(heroq_supervisor_await_result(supervisor, id, 20000, &output, NULL, &err));
  print_and_free(output);
  heroq_supervisor_free(supervisor);
}

static void act(heroq_client *client, const char *type, int n) {
  heroq_actor *actor;
  must(heroq_actor_open(client, "cross_c", type, NULL, &actor, NULL, &err));
  for (int i = 0; i < n; i++) {
    heroq_job *job;
    size_t size;
    must(heroq_actor_take(actor, 20000, &job, NULL, &err));
    if (!job) exit(2);
    puts(heroq_job_id(job));
    const char *script = heroq_job_script(job, &size);
    char *back = malloc(size + 1);
    if (!back) exit(3);
    for (size_t j = 0; j < size; j++) back[j] = script[size - 1 - j];
    must(heroq_job_finish(job, back, size, 0, NULL, &err));
    heroq_job_free(job);
    free(back);
  }
  must(heroq_actor_close(actor, 5000, NULL, NULL, &err));
  heroq_actor_free(actor);
}

int main(int argc, char **argv) {
  heroq_client *client;
  if (argc < 4) return 64;
  must(heroq_client_open(argv[2], NULL, &client, NULL, &err));
  if (!strcmp(argv[1], "produce"))
    produce(client, argv[3], argc > 4 ? argv[4] : NULL);
  else if (!strcmp(argv[1], "await"))
    await(client, argv[3]);
  else
    act(client, argv[3], argc > 4 ? atoi(argv[4]) : 1);
  heroq_client_free(client);
  return 0;
}
