/* The parts of heroq-script, the program between an actor and a job's program. */
#ifndef HQ_LAUNCHER_H
#define HQ_LAUNCHER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { HQ_PATHS = 32 };

typedef struct hq_paths {
  const char *item[HQ_PATHS];
  int n;
} hq_paths;

typedef struct hq_launch {
  bool sandbox, host_network;
  bool has_user;
  uid_t uid;
  gid_t gid;
  const char *work; /* the private folder */
  const char *cgroup;
  hq_paths writable, hidden;
  uint64_t disk, files;                                   /* of the private folder */
  uint64_t cpu, memory, file_size, open_files, processes; /* 0 = no limit */
  int grace_ms;
  int report_fd, environment_fd;
  char **argv;
  char **environment;
} hq_launch;

/* Tells the actor on the report's descriptor, "error TEXT", and ends this process. */
_Noreturn void hq_give_up(const hq_launch *l, const char *what, int error) __attribute__((cold));

/* Fills it from the arguments; complains on standard error and ends if they are wrong. */
void hq_launch_read(hq_launch *l, int argc, char **argv);

/* Gives up root for the user, if one is named. */
void hq_become_user(const hq_launch *l);

/* New namespaces for this process; the ones of processes for its children. Everything but the private folder and what is
 * to be writable is read-only then. */
void hq_sandbox_enter(const hq_launch *l);
/* In the first process of the new namespaces. */
void hq_sandbox_proc(const hq_launch *l);
void hq_sandbox_no_rights(const hq_launch *l);

/* In a new child: becomes the job's program. `own`: processes and threads that count to the limit besides its own. */
_Noreturn void hq_become_program(const hq_launch *l, pid_t parent, uint64_t own);
/* Processes and threads of a user on this machine. */
uint64_t hq_tasks_of(uid_t uid);

/* Which limit the private folder is above: "disk", "files", "hidden", or NULL. */
const char *hq_folder_over(const hq_launch *l, int work_fd);

/* Kills all that descend from this process, whatever group they are in, and reaps them by `reap`. */
void hq_end_descendants(void (*reap)(void));

#endif
