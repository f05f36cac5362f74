/* The doctor's check of its own side: options, variables, and how this program connects. */
#include "doctor_private.h"

#include "options_private.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

extern char **environ;

static const char prefix[] = "HEROQ_";

/* ---- variables ---- */

/* Those that are no options: of the library, of the command line, and of the tests. */
static bool is_other(const char *name) {
  static const char *const others[] = {"url", "config", "failpoint", NULL};
  static const char *const families[] = {"test", "sign_", "web_", "completion", NULL};
  for (int i = 0; others[i]; i++)
    if (strcmp(name, others[i]) == 0) return true;
  for (int i = 0; families[i]; i++)
    if (strncmp(name, families[i], strlen(families[i])) == 0) return true;
  return false;
}

/* A name that is no option, and so near to one that it must be meant: another program may have variables of its own. */
static void look_at_variable(hq_doctor *d, const char *text) {
  char name[64], subject[64], found[160], mend[160];
  size_t n = strcspn(text, "="), distance;
  if (n >= sizeof name) return;
  memcpy(subject, text, n);
  subject[n] = 0;
  for (size_t i = strlen(prefix); i <= n; i++) name[i - strlen(prefix)] = (char)tolower((unsigned char)subject[i]);
  const char *near = hq_option_name(hq_option_near(name, &distance));
  if (!distance || distance > 2 || distance * 2 >= strlen(name) || is_other(name)) return;
  snprintf(found, sizeof found, "there is no option \"%s\", the nearest is \"%s\"", name, near);
  char right[64];
  size_t k = 0;
  for (; near[k] && k < sizeof right - 1; k++) right[k] = (char)toupper((unsigned char)near[k]);
  right[k] = 0;
  snprintf(mend, sizeof mend, "unset %s; export %s%s=…", subject, prefix, right);
  hq_doctor_add(d, HQ_FOUND_UNKNOWN_VARIABLE, subject, found, mend);
}

/* ---- options ---- */

static void without(hq_doctor *d, const heroq_options *o, int option, bool other, const char *needs) {
  char found[120];
  if (!hq_option_is_set(o, option) || other) return;
  snprintf(found, sizeof found, "it is set, and has no effect without %s", needs);
  hq_doctor_add(d, HQ_FOUND_NO_EFFECT, hq_option_name(option), found, needs);
}

static void look_at_options(hq_doctor *d, const heroq_options *o, bool tls) {
  static const int of_tls[] = {HQ_OPT_TLS_CA_FILE, HQ_OPT_TLS_CA_PATH,     HQ_OPT_TLS_CERT,
                               HQ_OPT_TLS_KEY,     HQ_OPT_TLS_SERVER_NAME, HQ_OPT_TLS_INSECURE_SKIP_VERIFY};
  bool durable = hq_client_starts(d->errand.client)->replicas > 0, index = hq_option_int(o, HQ_OPT_INDEX);
  for (size_t i = 0; i < sizeof of_tls / sizeof *of_tls; i++) without(d, o, of_tls[i], tls, "a URL rediss://…");
  without(d, o, HQ_OPT_REPLICAS, durable, "durability=wait");
  without(d, o, HQ_OPT_REPLICA_TIMEOUT, durable, "durability=wait");
  without(d, o, HQ_OPT_INDEX_SIZE, index, "index=yes");
  without(d, o, HQ_OPT_INDEX_KEEP, index, "index=yes");
}

/* ---- files with secrets ---- */

/* A line that sets the password, or a URL with one. */
static bool has_password(const char *path) {
  char line[1024];
  bool found = false;
  FILE *file = fopen(path, "re");
  if (!file) return false;
  while (!found && fgets(line, sizeof line, file)) {
    const char *word = line + strspn(line, " \t");
    bool url = strncmp(word, "url", 3) == 0;
    found = url ? strchr(word, '@') != NULL : strncmp(word, "password", 8) == 0 && word[8] != '_';
  }
  fclose(file);
  return found;
}

static void look_at_file(hq_doctor *d, const char *path, bool config) {
  char found[60], mend[400], word[320];
  struct stat s;
  if (!path || !*path || stat(path, &s) || !S_ISREG(s.st_mode) || !(s.st_mode & 0077)) return;
  if (config && !has_password(path)) return;
  snprintf(found, sizeof found, "others may use it too: its mode is %o", (unsigned)s.st_mode & 0777);
  snprintf(mend, sizeof mend, "chmod 600 %s", hq_doctor_word(path, word));
  hq_doctor_add(d, HQ_FOUND_READABLE_SECRET, path, found, mend);
}

/* The command line's, which sets what no variable sets. */
static void look_at_config(hq_doctor *d) {
  char path[4200];
  const char *named = getenv("HEROQ_CONFIG"), *folder = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
  if (named && *named)
    snprintf(path, sizeof path, "%s", named);
  else if (folder && *folder)
    snprintf(path, sizeof path, "%s/heroq/config.toml", folder);
  else
    snprintf(path, sizeof path, "%s/.config/heroq/config.toml", home ? home : "");
  look_at_file(d, path, true);
}

static bool is_local(const hq_endpoint *e) {
  return !e->host || strcmp(e->host, "localhost") == 0 || strncmp(e->host, "127.", 4) == 0 ||
         strcmp(e->host, "::1") == 0;
}

heroq_status hq_check_client(hq_doctor *d, heroq_error *err) {
  const hq_endpoint *e = hq_client_endpoint(d->errand.client, hq_slice_of(""));
  const heroq_options *o = hq_client_options(d->errand.client);
  (void)err;
  for (char **one = environ; one && *one; one++)
    if (strncmp(*one, prefix, strlen(prefix)) == 0) look_at_variable(d, *one);
  look_at_options(d, o, e->tls != 0);
  look_at_file(d, hq_option_text(o, HQ_OPT_PASSWORD_FILE), false);
  look_at_file(d, hq_option_text(o, HQ_OPT_TLS_KEY), false);
  look_at_file(d, getenv("HEROQ_SIGN_KEY_FILE"), false);
  look_at_config(d);
  if (e->tls && hq_option_int(o, HQ_OPT_TLS_INSECURE_SKIP_VERIFY))
    hq_doctor_add(d, HQ_FOUND_INSECURE_TLS, "tls_insecure_skip_verify", "the server's certificate is not checked",
                  "name its CA instead: tls_ca_file=FILE");
  if (!e->tls && !is_local(e))
    hq_doctor_add(d, HQ_FOUND_CLEAR_TEXT, d->url, "the connection leaves this machine without TLS",
                  "use a URL rediss://…, or a tunnel");
  return HEROQ_OK;
}
