/* How much the private folder holds. */
#include "launcher.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { DEPTH = 128 };

typedef struct hq_held {
  const hq_launch *launch;
  uint64_t bytes, files;
  const char *over;
} hq_held;

static const char *judge(const hq_launch *l, uint64_t bytes, uint64_t files) {
  return bytes > l->disk ? "disk" : files > l->files ? "files" : NULL;
}

/* Takes the descriptor over. */
static void walk(hq_held *held, int fd, int depth) {
  DIR *folder = fd < 0 ? NULL : fdopendir(fd);
  if (!folder) {
    if (errno != ENOENT) /* a script may close a folder to hide what is in it */
      held->over = "hidden";
    if (fd >= 0) close(fd);
    return;
  }
  for (struct dirent *entry; !held->over && (entry = readdir(folder));) {
    struct stat info;
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    if (fstatat(dirfd(folder), entry->d_name, &info, AT_SYMLINK_NOFOLLOW)) {
      if (errno != ENOENT) held->over = "hidden";
      continue;
    }
    held->files++;
    held->bytes += (uint64_t)info.st_blocks * 512;
    held->over = judge(held->launch, held->bytes, held->files);
    if (held->over || !S_ISDIR(info.st_mode)) continue;
    if (depth == DEPTH)
      held->over = "hidden";
    else
      walk(held, openat(dirfd(folder), entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), depth + 1);
  }
  closedir(folder);
}

const char *hq_folder_over(const hq_launch *l, int work_fd) {
  if (l->sandbox) { /* a file system of its own knows by itself */
    struct statvfs info;
    if (fstatvfs(work_fd, &info)) return NULL;
    return judge(l, (uint64_t)(info.f_blocks - info.f_bfree) * info.f_frsize, info.f_files - info.f_ffree - 1);
  }
  hq_held held = {.launch = l};
  walk(&held, openat(work_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), 0);
  return held.over;
}
