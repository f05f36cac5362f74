/* Runs a program with the URL of a private server as its last argument; the exit code is the program's.
 * with_server PROGRAM [ARGUMENT…] */
#include "support.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv) {
  if (argc < 2) {
    fprintf(stderr, "usage: %s PROGRAM [ARGUMENT...]\n", argv[0]);
    return 64;
  }
  test_server *server = test_server_start(NULL);
  char **command = calloc((size_t)argc + 1, sizeof *command);
  if (!command) return 1;
  memcpy(command, argv + 1, ((size_t)argc - 1) * sizeof *command);
  command[argc - 1] = server->url;
  int status = 0;
  pid_t pid = fork();
  if (!pid) {
    execvp(command[0], command);
    fprintf(stderr, "cannot run %s: %s\n", command[0], strerror(errno));
    _exit(127);
  }
  while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  free(command);
  test_server_free(server);
  if (pid < 0) return 1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
