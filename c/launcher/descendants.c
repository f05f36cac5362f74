/* The end of all processes that descend from this one, which is the reaper of its orphans. */
#include "launcher.h"

#include <ctype.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

typedef struct hq_process {
  pid_t pid, parent;
  char state;
  bool ours;
} hq_process;

typedef struct hq_processes {
  hq_process *item;
  size_t n, room;
} hq_processes;

static bool read_process(const char *name, hq_process *process) {
  char path[300], line[512];
  snprintf(path, sizeof path, "/proc/%s/stat", name);
  FILE *file = fopen(path, "re");
  if (!file) return false;
  size_t n = fread(line, 1, sizeof line - 1, file);
  fclose(file);
  line[n] = 0;
  char *end = strrchr(line, ')'); /* the name before it may hold anything */
  int parent;
  if (!end || sscanf(end + 1, " %c %d", &process->state, &parent) != 2) return false;
  process->pid = (pid_t)atoi(name);
  process->parent = (pid_t)parent;
  process->ours = false;
  return true;
}

static void read_all(hq_processes *all) {
  all->n = 0;
  DIR *proc = opendir("/proc");
  for (struct dirent *entry; proc && (entry = readdir(proc));) {
    if (!isdigit((unsigned char)entry->d_name[0])) continue;
    if (all->n == all->room) {
      size_t room = all->room ? all->room * 2 : 256;
      hq_process *more = realloc(all->item, room * sizeof *more);
      if (!more) break;
      all->item = more;
      all->room = room;
    }
    if (read_process(entry->d_name, &all->item[all->n])) all->n++;
  }
  if (proc) closedir(proc);
}

static bool is_ours(const hq_processes *all, pid_t pid) {
  for (size_t i = 0; i < all->n; i++)
    if (all->item[i].pid == pid) return all->item[i].ours;
  return pid == getpid();
}

static void mark(hq_processes *all) {
  for (bool found = true; found;) {
    found = false;
    for (size_t i = 0; i < all->n; i++) {
      hq_process *process = &all->item[i];
      if (!process->ours && (process->parent == getpid() || is_ours(all, process->parent)))
        found = process->ours = true;
    }
  }
}

/* Answers how many got it that had not been stopped, or live at all. */
static size_t send(const hq_processes *all, int number) {
  size_t count = 0;
  for (size_t i = 0; i < all->n; i++) {
    const hq_process *process = &all->item[i];
    bool wanted = number == SIGSTOP ? !strchr("TtZX", process->state) : process->state != 'X';
    if (process->ours && wanted && kill(process->pid, number) == 0) count++;
  }
  return count;
}

static void look(hq_processes *all) {
  read_all(all);
  mark(all);
}

/* Who is stopped has no children any more, so this comes to an end even with a fork bomb. */
void hq_end_descendants(void (*reap)(void)) {
  static const struct timespec moment = {.tv_nsec = 1000000};
  hq_processes all = {0};
  for (int turn = 0; turn < 1000; turn++) {
    look(&all);
    if (send(&all, SIGSTOP) == 0) break;
  }
  for (;;) {
    look(&all);
    if (send(&all, SIGKILL) == 0) break;
    reap();
    nanosleep(&moment, NULL);
  }
  reap();
  free(all.item);
}
