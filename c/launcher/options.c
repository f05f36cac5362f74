/* The arguments of heroq-script. */
#include "launcher.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Noreturn void wrong(const char *what, const char *text) {
  fprintf(stderr, "heroq-script: %s%s%s\n", what, text ? " " : "", text ? text : "");
  exit(64);
}

static uint64_t number(const char *text, uint64_t most) {
  char *end;
  errno = 0;
  unsigned long long value = strtoull(text, &end, 10);
  if (errno || *end || end == text || *text == '-' || value > most) wrong("not a number in range:", text);
  return value;
}

static void user(hq_launch *l, const char *text) {
  char uid[24];
  const char *colon = strchr(text, ':');
  if (!colon || (size_t)(colon - text) >= sizeof uid) wrong("not UID:GID:", text);
  memcpy(uid, text, (size_t)(colon - text));
  uid[colon - text] = 0;
  l->uid = (uid_t)number(uid, UINT32_MAX - 1);
  l->gid = (gid_t)number(colon + 1, UINT32_MAX - 1);
  l->has_user = true;
}

static void add(hq_paths *paths, const char *path) {
  if (*path != '/' || paths->n == HQ_PATHS) wrong("not a full path, or too many:", path);
  paths->item[paths->n++] = path;
}

void hq_launch_read(hq_launch *l, int argc, char **argv) {
  static const struct option names[] = {
      {"sandbox", no_argument, NULL, 's'},           {"host-network", no_argument, NULL, 'h'},
      {"user", required_argument, NULL, 'u'},        {"work", required_argument, NULL, 'w'},
      {"cgroup", required_argument, NULL, 'c'},      {"writable", required_argument, NULL, 'W'},
      {"hide", required_argument, NULL, 'H'},        {"disk", required_argument, NULL, 'd'},
      {"files", required_argument, NULL, 'f'},       {"cpu", required_argument, NULL, 't'},
      {"memory", required_argument, NULL, 'm'},      {"file-size", required_argument, NULL, 'F'},
      {"open-files", required_argument, NULL, 'n'},  {"processes", required_argument, NULL, 'p'},
      {"grace", required_argument, NULL, 'g'},       {"report", required_argument, NULL, 'r'},
      {"environment", required_argument, NULL, 'e'}, {0}};
  const uint64_t size = UINT64_C(1) << 50;
  l->report_fd = l->environment_fd = -1;
  for (int option; (option = getopt_long(argc, argv, "+", names, NULL)) != -1;) switch (option) {
    case 's': l->sandbox = true; break;
    case 'h': l->host_network = true; break;
    case 'u': user(l, optarg); break;
    case 'w': l->work = optarg; break;
    case 'c': l->cgroup = optarg; break;
    case 'W': add(&l->writable, optarg); break;
    case 'H': add(&l->hidden, optarg); break;
    case 'd': l->disk = number(optarg, size); break;
    case 'f': l->files = number(optarg, size); break;
    case 't': l->cpu = number(optarg, UINT32_MAX); break;
    case 'm': l->memory = number(optarg, size); break;
    case 'F': l->file_size = number(optarg, size); break;
    case 'n': l->open_files = number(optarg, UINT32_MAX); break;
    case 'p': l->processes = number(optarg, UINT32_MAX); break;
    case 'g': l->grace_ms = (int)number(optarg, 86400000); break;
    case 'r': l->report_fd = (int)number(optarg, INT32_MAX); break;
    case 'e': l->environment_fd = (int)number(optarg, INT32_MAX); break;
    default: exit(64);
    }
  l->argv = argv + optind;
  if (!l->work || *l->work != '/' || l->report_fd < 0 || l->environment_fd < 0 || !l->disk || !l->files)
    wrong("--work, --report, --environment, --disk and --files are needed", NULL);
  if (!l->argv[0] || *l->argv[0] != '/') wrong("the program is no full path:", l->argv[0] ? l->argv[0] : "(none)");
}
