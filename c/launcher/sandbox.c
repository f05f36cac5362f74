/* Namespaces: what a script sees of the machine. */
#include "launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Headers of older systems lack it; the number is the same everywhere. */
#ifndef SYS_mount_setattr
#define SYS_mount_setattr 442
#endif

typedef struct hq_mount_attr {
  uint64_t set, clear, propagation, userns_fd;
} hq_mount_attr;

static const uint64_t read_only = 1, no_setuid = 2;

static bool set_attributes(const char *path, unsigned flags, uint64_t set, uint64_t clear) {
  hq_mount_attr attributes = {.set = set, .clear = clear};
  return syscall(SYS_mount_setattr, AT_FDCWD, path, flags, &attributes, sizeof attributes) == 0;
}

static bool write_file(const char *path, const char *text) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  bool done = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
  int error = errno;
  close(fd);
  errno = error;
  return done;
}

static void map_ids(const hq_launch *l, uid_t uid, gid_t gid) {
  char uids[64], gids[64];
  snprintf(uids, sizeof uids, "%u %u 1", uid, uid);
  snprintf(gids, sizeof gids, "%u %u 1", gid, gid);
  if (!write_file("/proc/self/setgroups", "deny") || !write_file("/proc/self/uid_map", uids) ||
      !write_file("/proc/self/gid_map", gids))
    hq_give_up(l, "sandbox: cannot map the user", errno);
  /* In a user namespace of its own a script could mount what it likes, without limits. */
  if (!write_file("/proc/sys/user/max_user_namespaces", "0"))
    hq_give_up(l, "sandbox: cannot forbid further namespaces", errno);
}

static void bind(const hq_launch *l, const char *from, const char *to) {
  if (mount(from, to, NULL, MS_BIND, NULL)) hq_give_up(l, to, errno);
}

/* What the script's user cannot reach needs no hiding. */
static void hide(const hq_launch *l, const char *path) {
  if (mount("/dev/null", path, NULL, MS_BIND, NULL) && errno != EACCES && errno != ENOENT) hq_give_up(l, path, errno);
}

static void mount_all(const hq_launch *l) {
  char size[96];
  /* A little more than the limit, so that to be above it can be seen. */
  snprintf(size, sizeof size, "size=%" PRIu64 ",nr_inodes=%" PRIu64 ",mode=0700", l->disk + (1 << 20), l->files + 16);
  if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) || mount("heroq", l->work, "tmpfs", MS_NOSUID | MS_NODEV, size))
    hq_give_up(l, "sandbox: cannot mount the private folder", errno);
  bool shared_memory = access("/dev/shm", F_OK) == 0;
  if (shared_memory) bind(l, l->work, "/dev/shm");
  for (int i = 0; i < l->writable.n; i++) bind(l, l->writable.item[i], l->writable.item[i]);
  for (int i = 0; i < l->hidden.n; i++) hide(l, l->hidden.item[i]);
  if (!set_attributes("/", AT_RECURSIVE, read_only | no_setuid, 0) || !set_attributes(l->work, 0, 0, read_only) ||
      (shared_memory && !set_attributes("/dev/shm", 0, 0, read_only)))
    hq_give_up(l, "sandbox: cannot make the file system read-only", errno);
  for (int i = 0; i < l->writable.n; i++)
    if (!set_attributes(l->writable.item[i], 0, 0, read_only)) hq_give_up(l, l->writable.item[i], errno);
}

void hq_sandbox_enter(const hq_launch *l) {
  uid_t uid = getuid();
  gid_t gid = getgid();
  prctl(PR_SET_DUMPABLE, 1); /* who was root a moment ago could not write the maps else */
  int network = l->host_network ? 0 : CLONE_NEWNET;
  if (unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | network))
    hq_give_up(l, "sandbox: no namespaces", errno);
  map_ids(l, uid, gid);
  mount_all(l);
}

void hq_sandbox_proc(const hq_launch *l) {
  if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY, NULL))
    hq_give_up(l, "sandbox: cannot mount /proc", errno);
}

void hq_sandbox_no_rights(const hq_launch *l) {
  for (unsigned long right = 0; right < 64; right++)
    if (prctl(PR_CAPBSET_DROP, right, 0, 0, 0) && errno != EINVAL) hq_give_up(l, "sandbox: cannot drop rights", errno);
}
