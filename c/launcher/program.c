/* A child on its way to be the job's program: its session, its limits, its user. */
#include "launcher.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

void hq_become_user(const hq_launch *l) {
  if (l->has_user && (setgroups(0, NULL) || setresgid(l->gid, l->gid, l->gid) || setresuid(l->uid, l->uid, l->uid)))
    hq_give_up(l, "cannot become the user", errno);
}

/* Above the limit that this process itself has it stays there. */
static void limit(const hq_launch *l, int what, uint64_t soft, uint64_t hard) {
  struct rlimit now;
  if (getrlimit(what, &now)) hq_give_up(l, "cannot read the limits", errno);
  if (now.rlim_max != RLIM_INFINITY && hard > now.rlim_max) hard = now.rlim_max;
  now.rlim_max = hard;
  now.rlim_cur = soft < hard ? soft : hard;
  if (setrlimit(what, &now)) hq_give_up(l, "cannot set the limits", errno);
}

static void set_limits(const hq_launch *l, uint64_t own) {
  limit(l, RLIMIT_CORE, 0, 0);
  if (l->cpu) limit(l, RLIMIT_CPU, l->cpu, l->cpu + 1); /* SIGXCPU first, SIGKILL for who ignores it */
  limit(l, RLIMIT_FSIZE, l->file_size, l->file_size);
  if (l->open_files) limit(l, RLIMIT_NOFILE, l->open_files, l->open_files);
  if (l->processes) limit(l, RLIMIT_NPROC, l->processes + own, l->processes + own);
  if (l->memory) limit(l, RLIMIT_AS, l->memory, l->memory);
}

static void plain_signals(void) {
  sigset_t none;
  for (int number = 1; number < NSIG; number++) signal(number, SIG_DFL);
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
}

static void only_standard_files(const hq_launch *l) {
  int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (null < 0 || dup2(null, 0) < 0) hq_give_up(l, "cannot open /dev/null", errno);
  /* The report stays open until the program runs, for what may go wrong. */
  if (syscall(SYS_close_range, 3U, ~0U, 4U /* CLOSE_RANGE_CLOEXEC */) == 0) return;
  for (int fd = 3; fd < 4096; fd++) fcntl(fd, F_SETFD, FD_CLOEXEC);
}

void hq_become_program(const hq_launch *l, pid_t parent, uint64_t own) {
  plain_signals();
  umask(077);
  if (setsid() < 0 || chdir(l->work)) hq_give_up(l, "cannot enter the private folder", errno);
  only_standard_files(l);
  if (l->sandbox)
    hq_sandbox_no_rights(l);
  else
    hq_become_user(l);
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0))
    hq_give_up(l, "cannot set up the process", errno);
  if (getppid() != parent) _exit(127);
  set_limits(l, own);
  execve(l->argv[0], l->argv, l->environment);
  char what[512];
  snprintf(what, sizeof what, "cannot run %s", l->argv[0]);
  hq_give_up(l, what, errno);
}

uint64_t hq_tasks_of(uid_t uid) {
  uint64_t count = 0;
  DIR *proc = opendir("/proc");
  for (struct dirent *entry; proc && (entry = readdir(proc));) {
    char path[300];
    struct stat info;
    if (entry->d_name[0] < '1' || entry->d_name[0] > '9') continue;
    snprintf(path, sizeof path, "/proc/%s/task", entry->d_name);
    /* its links are ".", ".." and one for each thread */
    if (stat(path, &info) == 0 && info.st_uid == uid && info.st_nlink > 2) count += (uint64_t)info.st_nlink - 2;
  }
  if (proc) closedir(proc);
  return count;
}
