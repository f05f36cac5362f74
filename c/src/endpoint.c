/* URLs: where a server is, how to log in, and what of it people may see.
 *
 * A password may hold any character, but those that end a part of a URL must be written %XX; where one is not, the
 * parts fall apart in the wrong places. So no error quotes the URL, and a '@' that is not in the authority is refused before
 * anything of the query is looked at: otherwise a piece of the password could be taken for an option's name. */
#include "endpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "errors.h"
#include "options_private.h"
#include "tls.h"

#define DEFAULT_URL "redis://localhost:6379/0"
enum { DEFAULT_PORT = 6379, LONGEST_SECRET = 4096 };

static heroq_status bad_url(heroq_error *err, const char *why) {
  return hq_fail(err, HEROQ_E_INVALID, "<invalid url>: %s", why);
}

static int hex(char c) {
  c = hq_lower(c);
  return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Percent-decodes, once. *fault is set to a text when the part is not valid; NULL without memory or when not valid. */
static char *decode(hq_slice s, const char **fault) {
  char *out = hq_strndup(s.p, s.n);
  size_t n = 0;
  for (size_t i = 0; out && i < s.n; i++) {
    char c = s.p[i];
    if (c == '%') {
      int high = i + 2 < s.n ? hex(s.p[i + 1]) : -1, low = high < 0 ? -1 : hex(s.p[i + 2]);
      c = (char)(high * 16 + low);
      i += 2;
      if (low < 0 || !c) {
        *fault = c ? "a '%' must be followed by two hexadecimal digits" : "%00 cannot be in a URL";
        hq_wipe(out, s.n);
        free(out);
        return NULL;
      }
    }
    out[n++] = c;
  }
  if (out) hq_wipe(out + n, s.n - n + 1);
  return out;
}

/* The text up to the first of the stop characters; *s is moved to that character. */
static hq_slice until(hq_slice *s, const char *stops) {
  size_t n = 0;
  while (n < s->n && !strchr(stops, s->p[n])) n++;
  hq_slice part = {s->p, n};
  *s = (hq_slice){s->p + n, s->n - n};
  return part;
}

static bool has(hq_slice s, char c) { return s.n && memchr(s.p, c, s.n); }

static heroq_status decode_into(hq_slice s, char **out, heroq_error *err) {
  const char *fault = NULL;
  *out = decode(s, &fault);
  return *out ? HEROQ_OK : fault ? bad_url(err, fault) : hq_fail_nomem(err);
}

/* user:password@ in front of *authority, which is moved behind it. */
static heroq_status parse_login(hq_slice *authority, hq_endpoint *e, heroq_error *err) {
  size_t at = authority->n;
  while (at && authority->p[at - 1] != '@') at--;
  if (!at) return HEROQ_OK;
  hq_slice password = {authority->p, at - 1}, user = until(&password, ":");
  *authority = (hq_slice){authority->p + at, authority->n - at};
  heroq_status status = user.n ? decode_into(user, &e->user, err) : HEROQ_OK;
  if (!status && password.n > 1) status = decode_into((hq_slice){password.p + 1, password.n - 1}, &e->password, err);
  return status;
}

static bool host_ok(const char *host) {
  for (; *host; host++)
    if (*host <= ' ' || *host > '~' || strchr("/@?#[]", *host)) return false;
  return true;
}

static heroq_status parse_host(hq_slice s, hq_endpoint *e, heroq_error *err) {
  hq_slice host, port;
  int64_t number = DEFAULT_PORT;
  if (s.n && s.p[0] == '[') {
    port = (hq_slice){s.p + 1, s.n - 1};
    host = until(&port, "]");
    if (!port.n || !has(host, ':')) return bad_url(err, "an IPv6 address is written [::1]");
    port = (hq_slice){port.p + 1, port.n - 1};
  } else {
    port = s;
    host = until(&port, ":");
  }
  if (port.n && port.p[0] != ':') return bad_url(err, "after the host comes :port, /database or ?option=value");
  if (port.n > 1 && (!hq_slice_to_int64((hq_slice){port.p + 1, port.n - 1}, &number) || number < 1 || number > 65535))
    return bad_url(err, "the port is a number from 1 to 65535 (':' '/' '?' '#' '@' in a password are written %XX)");
  e->port = (int32_t)number;
  heroq_status status = decode_into(host.n ? host : hq_slice_of("localhost"), &e->host, err);
  if (!status && !host_ok(e->host)) status = bad_url(err, "the host name has a character that cannot be in one");
  return status;
}

/* "/0"; empty or "/" says nothing. */
static heroq_status parse_db(hq_slice path, bool *given, hq_endpoint *e, heroq_error *err) {
  int64_t db;
  int option;
  *given = path.n > 1;
  if (!*given) return HEROQ_OK;
  char *text = hq_strndup(path.p + 1, path.n - 1);
  if (!text) return hq_fail_nomem(err);
  bool bad = hq_option_parse("db", text, -1, &option, &db, NULL);
  free(text);
  if (bad) return bad_url(err, "after the host's '/' comes the number of the database");
  e->db = (int32_t)db;
  return HEROQ_OK;
}

/* Whoever names a certificate believes that the line is safe. */
static heroq_status needs_tls(heroq_error *err, const char *name, const char *where) {
  return hq_fail(err, HEROQ_E_OPTION, "%s has no effect on %s, which is not encrypted: rediss:// is", name, where);
}

static heroq_status parse_option(hq_slice pair, bool tls, heroq_options *options, heroq_error *err) {
  hq_slice value = pair, name = until(&value, "=");
  char *name_text = NULL, *value_text = NULL;
  heroq_error fault;
  if (!value.n) return bad_url(err, "its query is ?option=value&option=value");
  heroq_status status = decode_into(name, &name_text, err);
  if (!status) status = decode_into((hq_slice){value.p + 1, value.n - 1}, &value_text, err);
  if (!status && (status = heroq_options_set(options, name_text, value_text, &fault)))
    hq_fail(err, status, "in the URL's query: %s", fault.text);
  else if (!status && !tls && !strncmp(name_text, "tls_", 4))
    status = needs_tls(err, name_text, "this URL");
  free(name_text);
  hq_wipe_free(value_text);
  return status;
}

static heroq_status parse_query(hq_slice query, bool tls, heroq_options *options, heroq_error *err) {
  if (query.n && !options) return bad_url(err, "a query (?option=value) is not possible here");
  while (query.n) {
    query = (hq_slice){query.p + 1, query.n - 1}; /* the '?' or '&' */
    hq_slice pair = until(&query, "&");
    heroq_status status = pair.n ? parse_option(pair, tls, options, err) : HEROQ_OK;
    if (status) return status;
  }
  return HEROQ_OK;
}

/* ---- what the options add ---- */

static heroq_status read_password(const char *path, char **out, heroq_error *err) {
  char text[LONGEST_SECRET + 2];
  size_t n = 0;
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return hq_fail_errno(err, HEROQ_E_OPTION, errno, "password_file=\"%.200s\"", path);
  ssize_t got;
  while (n < sizeof text && ((got = read(fd, text + n, sizeof text - n)) > 0 || (got < 0 && errno == EINTR)))
    n += got > 0 ? (size_t)got : 0;
  int fault = got < 0 ? errno : 0;
  close(fd);
  size_t line = 0;
  while (line < n && text[line] && !strchr("\r\n", text[line])) line++;
  heroq_status status = HEROQ_OK;
  if (fault)
    status = hq_fail_errno(err, HEROQ_E_OPTION, fault, "password_file=\"%.200s\"", path);
  else if (!line || line > LONGEST_SECRET)
    status = hq_fail(err, HEROQ_E_OPTION, "password_file=\"%.200s\": its first line has 1 to %d bytes", path,
                     LONGEST_SECRET);
  else if (!(*out = hq_strndup(text, line)))
    status = hq_fail_nomem(err);
  hq_wipe(text, sizeof text);
  return status;
}

static heroq_status fill_from_options(const heroq_options *options, bool db_given, hq_endpoint *e, heroq_error *err) {
  const char *user = hq_option_text(options, HQ_OPT_USERNAME), *password = hq_option_text(options, HQ_OPT_PASSWORD);
  const char *file = hq_option_text(options, HQ_OPT_PASSWORD_FILE);
  if (!db_given) e->db = (int32_t)hq_option_int(options, HQ_OPT_DB);
  if (!e->user && *user && !(e->user = hq_strdup(user))) return hq_fail_nomem(err);
  if (e->password || (!*password && !*file)) return HEROQ_OK;
  if (!*password) return read_password(file, &e->password, err);
  e->password = hq_strdup(password);
  return e->password ? HEROQ_OK : hq_fail_nomem(err);
}

/* Everything but the login, of which it only tells that there is one. */
static heroq_status show(hq_endpoint *e, heroq_error *err) {
  char escaped[1024];
  hq_buf b = {0};
  const char *login = e->user || e->password ? "***@" : "", *name = e->host ? e->host : e->path;
  bool v6 = e->host && strchr(e->host, ':');
  hq_escape(escaped, sizeof escaped, name, strlen(name));
  hq_buf_text(&b, e->path ? "unix://" : e->tls ? "rediss://" : "redis://");
  hq_buf_text(&b, login);
  hq_buf_text(&b, v6 ? "[" : "");
  hq_buf_text(&b, escaped);
  hq_buf_text(&b, v6 ? "]:" : e->host ? ":" : "?db=");
  if (e->host) {
    hq_buf_int(&b, e->port);
    hq_buf_char(&b, '/');
  }
  hq_buf_int(&b, e->db);
  hq_buf_cstr(&b);
  if (b.failed) {
    hq_buf_free(&b);
    return hq_fail_nomem(err);
  }
  e->shown = b.p;
  return HEROQ_OK;
}

static bool take_scheme(hq_slice *url, const char *scheme) {
  size_t n = strlen(scheme);
  if (url->n < n) return false;
  for (size_t i = 0; i < n; i++)
    if (hq_lower(url->p[i]) != scheme[i]) return false;
  *url = (hq_slice){url->p + n, url->n - n};
  return true;
}

static heroq_status parse(hq_slice rest, heroq_options *options, hq_endpoint *e, heroq_error *err) {
  bool unix_socket = take_scheme(&rest, "unix://") || take_scheme(&rest, "redis+unix://"), db_given = false;
  e->tls = !unix_socket && take_scheme(&rest, "rediss://");
  if (!unix_socket && !e->tls && !take_scheme(&rest, "redis://"))
    return bad_url(err, "it begins with redis://, rediss:// or unix://");
  hq_slice authority = until(&rest, "/?#"), path = until(&rest, "?#");
  if (has(rest, '#')) return bad_url(err, "a '#' is written %23");
  if (has(path, '@') || has(rest, '@'))
    return bad_url(err, "':' '/' '?' '#' '@' in a password, and '@' elsewhere, are written %XX");
  heroq_status status = parse_login(&authority, e, err);
  if (!status && unix_socket && (authority.n || path.n < 2))
    status = bad_url(err, "a socket is written unix:///path/to.sock");
  if (!status) status = unix_socket ? decode_into(path, &e->path, err) : parse_host(authority, e, err);
  if (!status && !unix_socket) status = parse_db(path, &db_given, e, err);
  if (!status) status = parse_query(rest, e->tls != 0, options, err);
  if (!status) status = fill_from_options(options, db_given, e, err);
  return status ? status : show(e, err);
}

heroq_status hq_endpoint_parse(const char *url, heroq_options *options, hq_endpoint *out, heroq_error *err) {
  *out = (hq_endpoint){0};
  if (!url || !*url) url = getenv("HEROQ_URL");
  if (!url || !*url) url = DEFAULT_URL;
  heroq_status status = parse(hq_slice_of(url), options, out, err);
  if (!status) return hq_ok(err);
  hq_endpoint_free(out);
  return status;
}

heroq_status hq_endpoint_secure(hq_endpoint *e, const heroq_options *given, const heroq_options *all,
                                heroq_error *err) {
  static const int options[] = {HQ_OPT_TLS_CA_FILE, HQ_OPT_TLS_CA_PATH,     HQ_OPT_TLS_CERT,
                                HQ_OPT_TLS_KEY,     HQ_OPT_TLS_SERVER_NAME, HQ_OPT_TLS_INSECURE_SKIP_VERIFY};
  hq_tls_unref(e->tls_shared);
  e->tls_shared = NULL;
  if (e->tls) return hq_tls_new(all, e->host, e->shown, &e->tls_shared, err);
  for (size_t i = 0; i < sizeof options / sizeof *options; i++)
    if (hq_option_is_set(given, options[i])) return needs_tls(err, hq_option_name(options[i]), e->shown);
  return HEROQ_OK;
}

heroq_status hq_endpoint_copy(const hq_endpoint *from, hq_endpoint *out, heroq_error *err) {
  *out = *from;
  hq_tls_ref(out->tls_shared);
  out->host = hq_strdup(from->host);
  out->path = hq_strdup(from->path);
  out->user = hq_strdup(from->user);
  out->password = hq_strdup(from->password);
  out->shown = hq_strdup(from->shown);
  if (!out->host == !from->host && !out->path == !from->path && !out->user == !from->user &&
      !out->password == !from->password && !out->shown == !from->shown)
    return hq_ok(err);
  hq_endpoint_free(out);
  return hq_fail_nomem(err);
}

void hq_endpoint_free(hq_endpoint *e) {
  free(e->host);
  free(e->path);
  free(e->shown);
  hq_tls_unref(e->tls_shared);
  hq_wipe_free(e->user);
  hq_wipe_free(e->password);
  *e = (hq_endpoint){0};
}
