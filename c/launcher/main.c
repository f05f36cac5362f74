/* heroq-script: runs one job's program for `heroq actor` and stays until all of it is gone.
 *
 * Standard input is the actor's hand on it: a byte asks the program to end (SIGTERM, and after --grace SIGKILL), its end,
 * also by the actor's death, kills all at once. On --report stands, when nothing is left of the program:
 *
 *   error TEXT                                          it was not run
 *   exit N | signal N, cpu MS, limit NONE|disk|files|hidden    how it ended */
#include "launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LOOK_MS = 50 };

static pid_t child;
static int child_status;
static bool child_ended;

void hq_give_up(const hq_launch *l, const char *what, int error) {
  char text[600]; /* here memory may be at its limit */
  int n = snprintf(text, sizeof text, "error %s%s%s\n", what, error ? ": " : "", error ? strerror(error) : "");
  size_t size = n < (int)sizeof text ? (size_t)n : sizeof text - 1;
  _exit(write(l->report_fd, text, size) == (ssize_t)size ? 127 : 126);
}

static int64_t now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* NUL-terminated NAME=VALUE, one after the other. */
static void read_environment(hq_launch *l) {
  struct stat info;
  if (fstat(l->environment_fd, &info)) hq_give_up(l, "cannot read the environment", errno);
  size_t size = (size_t)info.st_size, count = 0;
  char *text = malloc(size + 1);
  for (size_t done = 0; text && done < size;) {
    ssize_t n = pread(l->environment_fd, text + done, size - done, (off_t)done);
    if (n <= 0) hq_give_up(l, "cannot read the environment", n < 0 ? errno : 0);
    done += (size_t)n;
  }
  for (size_t i = 0; text && i < size; i++) count += text[i] == 0;
  l->environment = calloc(count + 1, sizeof *l->environment);
  if (!text || !l->environment) hq_give_up(l, "no memory", 0);
  for (size_t i = 0; i < count; i++, text += strlen(text) + 1) l->environment[i] = text;
}

static void join_cgroup(const hq_launch *l) {
  if (!l->cgroup) return;
  int fd = open(l->cgroup, O_WRONLY | O_CLOEXEC);
  if (fd < 0 || write(fd, "0", 1) != 1) hq_give_up(l, l->cgroup, errno);
  close(fd);
}

static void reap(void) {
  int status;
  for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
    if (pid == child) {
      child_ended = true;
      child_status = status;
    }
}

static void end_group(pid_t leader) {
  if (kill(-leader, SIGTERM)) kill(leader, SIGTERM); /* it has no group yet */
}

/* The first process of the sandbox: with its end the kernel kills all others in it. */
static _Noreturn void be_init(const hq_launch *l, const sigset_t *signals, int status_fd) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  hq_sandbox_proc(l);
  pid_t program = fork();
  if (program < 0) hq_give_up(l, "cannot start a process", errno);
  if (program == 0) hq_become_program(l, 1, 2);
  close(1);
  close(2);
  for (;;) {
    siginfo_t info;
    if (sigwaitinfo(signals, &info) == SIGTERM) end_group(program);
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
      if (pid == program) _exit(write(status_fd, &status, sizeof status) == sizeof status ? 0 : 1);
  }
}

static void start(const hq_launch *l, const sigset_t *signals, int status_pipe[2]) {
  pid_t self = getpid();
  uint64_t own = l->sandbox ? 0 : hq_tasks_of(l->has_user ? l->uid : getuid());
  child = fork();
  if (child < 0) hq_give_up(l, "cannot start a process", errno);
  if (child == 0) {
    close(status_pipe[0]);
    if (l->sandbox) be_init(l, signals, status_pipe[1]);
    hq_become_program(l, self, own);
  }
  close(status_pipe[1]);
  int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (null < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0) /* the program's pipes are its own */
    hq_give_up(l, "cannot open /dev/null", errno);
}

static void soft_end(const hq_launch *l) {
  if (l->sandbox)
    kill(child, SIGTERM);
  else
    end_group(child);
}

/* Until the child has ended, or has to at once. Answers the limit that it is above. */
static const char *watch(const hq_launch *l, int signal_fd, int work_fd) {
  int64_t deadline = INT64_MAX, next_look = 0;
  struct pollfd wait[2] = {{.fd = 0, .events = POLLIN}, {.fd = signal_fd, .events = POLLIN}};
  while (!child_ended && now_ms() < deadline) {
    poll(wait, 2, LOOK_MS);
    if (wait[0].revents) {
      char byte;
      if (read(0, &byte, 1) != 1) return NULL;
      if (deadline == INT64_MAX) deadline = now_ms() + l->grace_ms;
      soft_end(l);
    }
    struct signalfd_siginfo info;
    if (wait[1].revents && read(signal_fd, &info, sizeof info) > 0) reap();
    int64_t began = now_ms();
    if (began >= next_look && !child_ended) {
      const char *over = hq_folder_over(l, work_fd);
      if (over) return over;
      next_look = began + LOOK_MS + 10 * (now_ms() - began); /* a large folder is not to cost a processor */
    }
  }
  return NULL;
}

static void end_all(const hq_launch *l) {
  if (!l->sandbox) {
    hq_end_descendants(reap);
    return;
  }
  kill(child, SIGKILL);
  while (!child_ended && waitpid(child, &child_status, 0) != child)
    ;
}

static void report(const hq_launch *l, const char *over) {
  struct rusage used;
  getrusage(RUSAGE_CHILDREN, &used);
  int64_t cpu = (int64_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000 +
                (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1000;
  bool killed = WIFSIGNALED(child_status);
  dprintf(l->report_fd, "%s %d cpu %lld limit %s\n", killed ? "signal" : "exit",
          killed ? WTERMSIG(child_status) : WEXITSTATUS(child_status), (long long)cpu, over ? over : "none");
}

int main(int argc, char **argv) {
  hq_launch l = {0};
  hq_launch_read(&l, argc, argv);
  signal(SIGPIPE, SIG_IGN);
  signal(SIGINT, SIG_IGN);
  signal(SIGHUP, SIG_IGN);
  signal(SIGTERM, SIG_IGN);
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGCHLD);
  sigaddset(&signals, SIGTERM);
  sigprocmask(SIG_BLOCK, &signals, NULL);
  int status_pipe[2];
  if (fcntl(l.report_fd, F_SETFD, FD_CLOEXEC) || pipe2(status_pipe, O_CLOEXEC))
    hq_give_up(&l, "cannot make a pipe", errno);
  if (prctl(PR_SET_CHILD_SUBREAPER, 1)) hq_give_up(&l, "cannot be the reaper", errno);
  read_environment(&l);
  join_cgroup(&l);
  if (l.sandbox) {
    hq_become_user(&l);
    hq_sandbox_enter(&l);
  }
  int work_fd = open(l.work, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  int signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
  if (work_fd < 0 || signal_fd < 0) hq_give_up(&l, l.work, errno);
  start(&l, &signals, status_pipe);
  const char *over = watch(&l, signal_fd, work_fd);
  end_all(&l);
  int status;
  if (l.sandbox) { /* what the first process said of the program; nothing if it was killed */
    if (read(status_pipe[0], &status, sizeof status) == sizeof status)
      child_status = status;
    else if (WIFEXITED(child_status))
      return 127; /* it has told why */
  }
  report(&l, over ? over : hq_folder_over(&l, work_fd));
  return 0;
}
