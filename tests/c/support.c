/* The private server of the C tests, and their small helpers. */
#include "support.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#define START_MS 20000
#define STOP_MS 20000

static test_server *servers; /* those to be ended when the program ends */
static pthread_mutex_t servers_lock = PTHREAD_MUTEX_INITIALIZER;

int64_t test_now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void test_sleep_ms(int64_t ms) {
  struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = (ms % 1000) * 1000000};
  while (nanosleep(&t, &t) && errno == EINTR) {
  }
}

/* ---- the server's process ---- */

static int free_port(void) {
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t n = sizeof a;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || bind(fd, (struct sockaddr *)&a, n) || getsockname(fd, (struct sockaddr *)&a, &n))
    fail_msg("no free port: %s", strerror(errno));
  close(fd);
  return ntohs(a.sin_port);
}

static const char *program(void) {
  const char *name = getenv("HEROQ_TEST_SERVER");
  return name && *name ? name : "redis-server";
}

static int remove_entry(const char *path, const struct stat *st, int flag, struct FTW *ftw) {
  (void)st, (void)flag, (void)ftw;
  return remove(path);
}

static void remove_folder(const char *dir) { nftw(dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS); }

static void run_server(test_server *s, pid_t parent) {
  char port[16], log[128], sock[128];
  const char *fixed[] = {program(), "--port",       port, "--bind",    "127.0.0.1", "--save",
                         "",        "--appendonly", "no", "--dir",     s->dir,      "--unixsocket",
                         sock,      "--daemonize",  "no", "--logfile", log};
  size_t n = sizeof fixed / sizeof *fixed, extra = 0;
  while (s->args[extra]) extra++;
  const char **argv = calloc(n + extra + 1, sizeof *argv);
  if (!argv) _exit(127);
  snprintf(port, sizeof port, "%d", s->port);
  snprintf(log, sizeof log, "%s/server.log", s->dir);
  snprintf(sock, sizeof sock, "%s/server.sock", s->dir);
  memcpy(argv, fixed, sizeof fixed);
  memcpy(argv + n, s->args, extra * sizeof *argv);
#ifdef __linux__
  prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
  if (getppid() != parent) _exit(127);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  int null = open("/dev/null", O_RDWR);
  if (null >= 0) dup2(null, 0), dup2(null, 1);
  execvp(argv[0], (char *const *)(uintptr_t)argv);
  fprintf(stderr, "cannot run %s: %s\n", argv[0], strerror(errno));
  _exit(127);
}

redisContext *test_server_connect(test_server *s) {
  char sock[128];
  snprintf(sock, sizeof sock, "%s/server.sock", s->dir);
  redisContext *c = redisConnectUnixWithTimeout(sock, (struct timeval){.tv_sec = 10});
  if (!c || c->err) {
    if (c) redisFree(c);
    return NULL;
  }
  if (*s->password) {
    redisReply *r = redisCommand(c, "AUTH %s", s->password);
    if (!r || r->type == REDIS_REPLY_ERROR) {
      freeReplyObject(r);
      redisFree(c);
      return NULL;
    }
    freeReplyObject(r);
  }
  return c;
}

static bool answers(test_server *s) {
  redisContext *c = test_server_connect(s);
  if (!c) return false;
  redisReply *r = redisCommand(c, "PING");
  bool up = r && r->type == REDIS_REPLY_STATUS;
  freeReplyObject(r);
  redisFree(c);
  return up;
}

/* True when it answers, false when it ended (its port was taken meanwhile, or its arguments are wrong). */
static bool spawn(test_server *s) {
  pid_t parent = getpid();
  fflush(NULL);
  s->pid = fork();
  if (s->pid < 0) fail_msg("fork: %s", strerror(errno));
  if (!s->pid) run_server(s, parent);
  for (int64_t until = test_now_ms() + START_MS; test_now_ms() < until; test_sleep_ms(3)) {
    if (waitpid(s->pid, NULL, WNOHANG) == s->pid) {
      s->pid = 0;
      return false;
    }
    if (answers(s)) return true;
  }
  return false;
}

static void show_log(const test_server *s) {
  char path[128], line[512];
  snprintf(path, sizeof path, "%s/server.log", s->dir);
  FILE *f = fopen(path, "r");
  while (f && fgets(line, sizeof line, f)) fprintf(stderr, "server: %s", line);
  if (f) fclose(f);
}

static void set_port(test_server *s, int port) {
  const char *colon = *s->password ? ":" : "", *at = *s->password ? "@" : "";
  s->port = port;
  snprintf(s->url, sizeof s->url, "redis://%s%s%s127.0.0.1:%d/0", colon, s->password, at, port);
  snprintf(s->unix_url, sizeof s->unix_url, "unix://%s%s%s%s/server.sock", colon, s->password, at, s->dir);
}

static void reap(test_server *s, int signal_number) {
  if (!s->pid) return;
  kill(s->pid, SIGCONT);
  kill(s->pid, signal_number);
  int64_t until = test_now_ms() + STOP_MS;
  while (waitpid(s->pid, NULL, WNOHANG) == 0) {
    if (test_now_ms() > until) kill(s->pid, SIGKILL);
    test_sleep_ms(2);
  }
  s->pid = 0;
}

static void end_all(void) {
  for (test_server *s = servers; s; s = s->next) {
    reap(s, SIGKILL);
    remove_folder(s->dir);
  }
}

static void copy_args(test_server *s, const char *const *args) {
  size_t n = 0;
  while (args && args[n]) n++;
  s->args = calloc(n + 1, sizeof *s->args);
  assert_non_null(s->args);
  for (size_t i = 0; i < n; i++) {
    s->args[i] = strdup(args[i]);
    if (i && !strcmp(args[i - 1], "--requirepass")) snprintf(s->password, sizeof s->password, "%s", args[i]);
  }
}

test_server *test_server_start(const char *const *args) {
  test_server *s = calloc(1, sizeof *s);
  assert_non_null(s);
  copy_args(s, args);
  snprintf(s->dir, sizeof s->dir, "/tmp/heroq-test-XXXXXX");
  if (!mkdtemp(s->dir)) fail_msg("mkdtemp %s: %s", s->dir, strerror(errno));
  pthread_mutex_lock(&servers_lock);
  static bool registered;
  if (!registered) registered = !atexit(end_all);
  s->next = servers;
  servers = s;
  pthread_mutex_unlock(&servers_lock);
  for (int attempt = 0; attempt < 5; attempt++) {
    set_port(s, free_port());
    if (spawn(s)) return s;
  }
  show_log(s);
  fail_msg("%s does not start", program());
  return NULL;
}

void test_server_shutdown(test_server *s) { reap(s, SIGTERM); }

void test_server_kill9(test_server *s) { reap(s, SIGKILL); }

void test_server_restart(test_server *s) {
  reap(s, SIGTERM);
  if (spawn(s)) return;
  show_log(s);
  fail_msg("%s does not start again on port %d", program(), s->port);
}

void test_server_pause(test_server *s) { assert_int_equal(kill(s->pid, SIGSTOP), 0); }

void test_server_resume(test_server *s) { assert_int_equal(kill(s->pid, SIGCONT), 0); }

void test_server_free(test_server *s) {
  if (!s) return;
  reap(s, SIGKILL);
  remove_folder(s->dir);
  pthread_mutex_lock(&servers_lock);
  test_server **at = &servers;
  while (*at && *at != s) at = &(*at)->next;
  if (*at) *at = s->next;
  pthread_mutex_unlock(&servers_lock);
  for (size_t i = 0; s->args[i]; i++) free(s->args[i]);
  free(s->args);
  free(s);
}

/* ---- raw commands ---- */

redisReply *test_redis_argv(test_server *s, int argc, const char **argv, const size_t *size) {
  redisContext *c = test_server_connect(s);
  if (!c) fail_msg("no connection to the test's server for %s", argv[0]);
  redisReply *r = redisCommandArgv(c, argc, argv, size);
  if (!r) fail_msg("%s: %s", argv[0], c->errstr);
  redisFree(c);
  return r;
}

static redisReply *run(test_server *s, va_list list) {
  const char *argv[64];
  int argc = 0;
  while ((argv[argc] = va_arg(list, const char *))) {
    if (++argc == 64) fail_msg("%s: too many arguments for the test's helper", argv[0]);
  }
  redisReply *r = test_redis_argv(s, argc, argv, NULL);
  if (r->type == REDIS_REPLY_ERROR) fail_msg("%s %s: %s", argv[0], argc > 1 ? argv[1] : "", r->str);
  return r;
}

redisReply *test_redis(test_server *s, ...) {
  va_list list;
  va_start(list, s);
  redisReply *r = run(s, list);
  va_end(list);
  return r;
}

void test_redis_do(test_server *s, ...) {
  va_list list;
  va_start(list, s);
  freeReplyObject(run(s, list));
  va_end(list);
}

int64_t test_redis_int(test_server *s, ...) {
  va_list list;
  va_start(list, s);
  redisReply *r = run(s, list);
  va_end(list);
  int64_t n = -1;
  if (r->type == REDIS_REPLY_INTEGER) n = r->integer;
  if (r->type == REDIS_REPLY_STRING) n = strtoll(r->str, NULL, 10);
  freeReplyObject(r);
  return n;
}

char *test_redis_text(test_server *s, ...) {
  va_list list;
  va_start(list, s);
  redisReply *r = run(s, list);
  va_end(list);
  char *text = r->str ? strdup(r->str) : NULL;
  freeReplyObject(r);
  return text;
}

/* ---- statuses ---- */

void test_assert_status(heroq_status wanted, heroq_status got, const heroq_error *err, const char *call,
                        const char *file, int line) {
  if (got == wanted) return;
  print_error("%s\n  answered %s, not %s: %s\n", call, heroq_status_name(got), heroq_status_name(wanted),
              err ? err->text : "");
  _fail(file, line);
}

void test_assert_text(const heroq_error *err, const char *piece) {
  if (!strstr(err->text, piece)) fail_msg("\"%s\" is not in \"%s\"", piece, err->text);
}

/* ---- files ---- */

char *test_read_file(const char *path, size_t *size) {
  FILE *f = fopen(path, "rb");
  if (!f) fail_msg("%s: %s", path, strerror(errno));
  fseek(f, 0, SEEK_END);
  long n = ftell(f);
  rewind(f);
  char *text = malloc((size_t)n + 1);
  assert_non_null(text);
  if (fread(text, 1, (size_t)n, f) != (size_t)n) fail_msg("%s: cannot be read", path);
  fclose(f);
  text[n] = 0;
  if (size) *size = (size_t)n;
  return text;
}

char *test_read_vectors(const char *name) {
  char path[1024];
  snprintf(path, sizeof path, "%s/%s", TEST_VECTORS_DIR, name);
  return test_read_file(path, NULL);
}
