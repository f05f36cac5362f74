/* URLs: what they say, what is refused, and that no text ever holds a secret. */
#include "support.h"

#include <unistd.h>

#include "endpoint.h"
#include "options_private.h"

#define SECRET "hunter2"

static heroq_options *options;

static int fresh(void **state) {
  (void)state;
  unsetenv("HEROQ_URL");
  return heroq_options_new(&options, NULL);
}

static int done(void **state) {
  (void)state;
  heroq_options_free(options);
  return 0;
}

static const char *text(const char *s) { return s ? s : "(none)"; }

static void urls_are_taken_apart(void **state) {
  (void)state;
  static const struct {
    const char *url, *host, *path, *user, *password, *shown;
    int port, db, tls;
  } cases[] = {
      {"redis://localhost", "localhost", NULL, NULL, NULL, "redis://localhost:6379/0", 6379, 0, 0},
      {"redis://", "localhost", NULL, NULL, NULL, "redis://localhost:6379/0", 6379, 0, 0},
      {"redis:///3", "localhost", NULL, NULL, NULL, "redis://localhost:6379/3", 6379, 3, 0},
      {"redis://:7000", "localhost", NULL, NULL, NULL, "redis://localhost:7000/0", 7000, 0, 0},
      {"redis://h:", "h", NULL, NULL, NULL, "redis://h:6379/0", 6379, 0, 0},
      {"REDIS://Host.example:1/", "Host.example", NULL, NULL, NULL, "redis://Host.example:1/0", 1, 0, 0},
      {"rediss://h:65535/15", "h", NULL, NULL, NULL, "rediss://h:65535/15", 65535, 15, 1},
      {"RediSS://bob:" SECRET "@[::1]?tls_server_name=h&tls_insecure_skip_verify=no", "::1", NULL, "bob", SECRET,
       "rediss://***@[::1]:6379/0", 6379, 0, 1},
      {"redis://:" SECRET "@h", "h", NULL, NULL, SECRET, "redis://***@h:6379/0", 6379, 0, 0},
      {"redis://bob:" SECRET "@h:1/2", "h", NULL, "bob", SECRET, "redis://***@h:1/2", 1, 2, 0},
      {"redis://bob@h", "h", NULL, "bob", NULL, "redis://***@h:6379/0", 6379, 0, 0},
      {"redis://bob:@h", "h", NULL, "bob", NULL, "redis://***@h:6379/0", 6379, 0, 0},
      {"redis://@h", "h", NULL, NULL, NULL, "redis://h:6379/0", 6379, 0, 0},
      {"redis://b%40b:p%3a%2F%25%41@h", "h", NULL, "b@b", "p:/%A", "redis://***@h:6379/0", 6379, 0, 0},
      {"redis://:%2541@h", "h", NULL, NULL, "%41", "redis://***@h:6379/0", 6379, 0, 0}, /* decoded once */
      {"redis://:a:b@c@h", "h", NULL, NULL, "a:b@c", "redis://***@h:6379/0", 6379, 0, 0},
      {"redis://[::1]:7/1", "::1", NULL, NULL, NULL, "redis://[::1]:7/1", 7, 1, 0},
      {"redis://x:y@[fe80::1%25eth0]", "fe80::1%eth0", NULL, "x", "y", "redis://***@[fe80::1%eth0]:6379/0", 6379, 0, 0},
      {"unix:///run/r.sock", NULL, "/run/r.sock", NULL, NULL, "unix:///run/r.sock?db=0", 0, 0, 0},
      {"redis+unix:///run/r.sock", NULL, "/run/r.sock", NULL, NULL, "unix:///run/r.sock?db=0", 0, 0, 0},
      {"unix:///run/r.sock?db=4", NULL, "/run/r.sock", NULL, NULL, "unix:///run/r.sock?db=4", 0, 4, 0},
      {"unix://:" SECRET "@/a%20%40b", NULL, "/a @b", NULL, SECRET, "unix://***@/a @b?db=0", 0, 0, 0},
      {"redis://h?db=4", "h", NULL, NULL, NULL, "redis://h:6379/4", 6379, 4, 0},
      {"redis://h/5?db=4", "h", NULL, NULL, NULL, "redis://h:6379/5", 6379, 5, 0},
      {"redis://h?password=" SECRET "&username=bob", "h", NULL, "bob", SECRET, "redis://***@h:6379/0", 6379, 0, 0},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    hq_endpoint e, copy;
    heroq_error err;
    heroq_options *o;
    assert_ok(heroq_options_new(&o, NULL), NULL);
    assert_ok(hq_endpoint_parse(cases[i].url, o, &e, &err), &err);
    assert_ok(hq_endpoint_copy(&e, &copy, &err), &err);
    hq_endpoint_free(&e);
    assert_null(e.password);
    assert_string_equal(text(cases[i].host), text(copy.host));
    assert_string_equal(text(cases[i].path), text(copy.path));
    assert_string_equal(text(cases[i].user), text(copy.user));
    assert_string_equal(text(cases[i].password), text(copy.password));
    assert_string_equal(cases[i].shown, copy.shown);
    assert_int_equal(cases[i].port, copy.port);
    assert_int_equal(cases[i].db, copy.db);
    assert_int_equal(cases[i].tls, copy.tls);
    hq_endpoint_free(&copy);
    heroq_options_free(o);
  }
}

static void wrong_urls_are_refused(void **state) {
  (void)state;
  static const char *const urls[] = {
      "localhost",
      "localhost:6379",
      "http://h",
      "redis:/h",
      "redis",
      "://h",
      "redis//h",
      " redis://h",
      "redis+tcp://h",
      "redis://h:0",
      "redis://h:65536",
      "redis://h:x",
      "redis://h:-1",
      "redis://h:99999999999999999999",
      "redis://h:1:2",
      "redis://::1",
      "redis://[::1",
      "redis://[::1]x",
      "redis://[h]",
      "redis://[]",
      "redis://[::1]:x",
      "redis://h/x",
      "redis://h/-1",
      "redis://h/0/1",
      "redis://h/99999999",
      "redis://h/1 ",
      "redis://a b",
      "redis://h%00",
      "redis://h%0a",
      "redis://h%2f",
      "redis://h%",
      "redis://h%4",
      "redis://h%zz",
      "redis://:%@h",
      "redis://:%0@h",
      "redis://:%00@h",
      "redis://h#x",
      "redis://h/0#x",
      "redis://h?lease=5s#x",
      "redis://h?lease",
      "redis://h?lease=5s&x",
      "redis://h?=1",
      "redis://h?lease=never",
      "redis://h?nothing=1",
      "redis://h?lease=%zz",
      "redis://\xff",
      "redis://h\n",
      "unix://",
      "unix:///",
      "unix://run/r.sock",
      "unix://host/r.sock",
      "unix:///a%00b",
      "unix:///a@b",
      "redis://h/0@x",
      "redis://h?lease=5s@x",
      "redis://h?tls_ca_file=/ca.pem",
      "unix:///r.sock?tls_insecure_skip_verify=no",
      "rediss://h?tls_ca=/ca.pem",
      "rediss://h?tls_insecure_skip_verify",
      "rediss+unix:///r.sock",
      "redisss://h",
  };
  for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
    hq_endpoint e;
    heroq_error err;
    heroq_status status = hq_endpoint_parse(urls[i], options, &e, &err);
    if (status != HEROQ_E_INVALID && status != HEROQ_E_OPTION) fail_msg("%s: %s", urls[i], heroq_status_name(status));
    assert_true(strlen(err.text) > 10);
    assert_null(e.host);
    assert_null(e.shown);
    if (status == HEROQ_E_INVALID) test_assert_text(&err, "<invalid url>: ");
  }
}

/* A password with any character in any place of the URL, encoded or not: whatever comes of it, no text shows it. */
static void no_text_shows_a_secret(void **state) {
  (void)state;
  static const char *const shapes[] = {
      "redis://:$@h/0",
      "redis://bob:$@h:1/0?lease=5s",
      "redis://:$@h:x",
      "redis://:$@h/x",
      "rediss://:$@[::1",
      "redis://:$@h?nothing=1",
      "redis://:$@h?lease=x",
      "unix://:$@/run/r.sock",
      "unix://:$@run",
      "redis://:$@",
      "redis://h?password=$",
      "redis://h?password=$&lease=x",
      "redis://h?pasword=$",
      "http://:$@h",
      "redis://$@h:x",
      "redis:/:$@h",
      ":$@h",
      "redis://:$@h#x",
      "redis://bob:$@h:1:2",
  };
  int parsed = 0;
  for (size_t shape = 0; shape < sizeof shapes / sizeof *shapes; shape++)
    for (int c = 1; c < 256; c++)
      for (int place = 0; place < 3; place++) {
        char password[32], url[256];
        snprintf(password, sizeof password, place == 0 ? "%chunter2" : place == 1 ? "hun%cter2" : "hunter2%c", c);
        const char *mark = strchr(shapes[shape], '$');
        snprintf(url, sizeof url, "%.*s%s%s", (int)(mark - shapes[shape]), shapes[shape], password, mark + 1);
        hq_endpoint e;
        heroq_error err;
        heroq_options *o;
        assert_ok(heroq_options_new(&o, NULL), NULL);
        heroq_status status = hq_endpoint_parse(url, o, &e, &err);
        const char *shown = status ? err.text : e.shown;
        if (strstr(shown, "hun") || strstr(shown, "ter2")) fail_msg("%s: %s", url, shown);
        parsed += !status;
        hq_endpoint_free(&e);
        heroq_options_free(o);
      }
  assert_true(parsed > 1000); /* the test would say little if all were refused */
}

static void the_query_sets_options(void **state) {
  (void)state;
  hq_endpoint e;
  heroq_error err;
  assert_ok(hq_endpoint_parse("redis://h/1?lease=10s&&block=1s&connect=lazy&username=a%26b", options, &e, &err), &err);
  assert_int_equal(10000, hq_option_int(options, HQ_OPT_LEASE));
  assert_int_equal(1000, hq_option_int(options, HQ_OPT_BLOCK));
  assert_int_equal(1, hq_option_int(options, HQ_OPT_CONNECT));
  assert_string_equal("a&b", e.user);
  hq_endpoint_free(&e);
  assert_status(HEROQ_E_OPTION, hq_endpoint_parse("redis://h?leese=10s", options, &e, &err), &err);
  test_assert_text(&err, "in the URL's query: no option \"leese\": the nearest is \"lease\"");
  assert_status(HEROQ_E_INVALID, hq_endpoint_parse("redis://h?lease=10s", NULL, &e, &err), &err);
  assert_ok(hq_endpoint_parse("redis://h?", options, &e, &err), &err);
  hq_endpoint_free(&e);
}

static void options_fill_what_the_url_leaves_open(void **state) {
  (void)state;
  hq_endpoint e;
  heroq_error err;
  assert_ok(heroq_options_set(options, "username", "carol", &err), &err);
  assert_ok(heroq_options_set(options, "password", SECRET, &err), &err);
  assert_ok(heroq_options_set(options, "db", "3", &err), &err);
  assert_ok(hq_endpoint_parse("redis://h", options, &e, &err), &err);
  assert_string_equal("carol", e.user);
  assert_string_equal(SECRET, e.password);
  assert_string_equal("redis://***@h:6379/3", e.shown);
  hq_endpoint_free(&e);
  assert_ok(hq_endpoint_parse("redis://bob:other@h/0", options, &e, &err), &err);
  assert_string_equal("bob", e.user);
  assert_string_equal("other", e.password);
  assert_int_equal(0, e.db);
  hq_endpoint_free(&e);
}

static void assert_file_gives(const char *content, size_t size, const char *password) {
  char path[] = "/tmp/heroq-password-XXXXXX";
  hq_endpoint e;
  heroq_error err;
  int fd = mkstemp(path);
  assert_int_equal(size, write(fd, content, size));
  close(fd);
  assert_ok(heroq_options_set(options, "password_file", path, &err), &err);
  heroq_status status = hq_endpoint_parse("redis://h", options, &e, &err);
  unlink(path);
  if (password) {
    assert_ok(status, &err);
    assert_string_equal(password, e.password);
    hq_endpoint_free(&e);
  } else {
    assert_status(HEROQ_E_OPTION, status, &err);
    test_assert_text(&err, path);
    assert_null(strstr(err.text, "~~"));
  }
}

static void a_password_comes_from_a_file(void **state) {
  (void)state;
  static char large[5000];
  memset(large, '~', sizeof large);
  assert_file_gives("hunter2", 7, "hunter2");
  assert_file_gives("hunter2\nmore", 12, "hunter2");
  assert_file_gives("hunter2\r\n", 9, "hunter2");
  assert_file_gives(" a b ", 5, " a b ");
  assert_file_gives("", 0, NULL);
  assert_file_gives("\nx", 2, NULL);
  assert_file_gives(large, sizeof large, NULL);
  assert_file_gives(large, 4097, NULL);
  large[4096] = 0;
  assert_file_gives(large, 4096, large);
  hq_endpoint e;
  heroq_error err;
  assert_ok(heroq_options_set(options, "password_file", "/no/such/file", &err), &err);
  assert_status(HEROQ_E_OPTION, hq_endpoint_parse("redis://h", options, &e, &err), &err);
  test_assert_text(&err, "password_file=\"/no/such/file\": No such file");
  assert_ok(hq_endpoint_parse("redis://:x@h", options, &e, &err), &err); /* not looked at */
  hq_endpoint_free(&e);
}

static void no_url_is_the_environment_or_the_default(void **state) {
  (void)state;
  hq_endpoint e;
  heroq_error err;
  assert_ok(hq_endpoint_parse(NULL, options, &e, &err), &err);
  assert_string_equal("redis://localhost:6379/0", e.shown);
  hq_endpoint_free(&e);
  setenv("HEROQ_URL", "redis://elsewhere:7/2", 1);
  assert_ok(hq_endpoint_parse("", options, &e, &err), &err);
  assert_string_equal("redis://elsewhere:7/2", e.shown);
  hq_endpoint_free(&e);
  assert_ok(hq_endpoint_parse("redis://h", options, &e, &err), &err);
  assert_string_equal("redis://h:6379/0", e.shown);
  hq_endpoint_free(&e);
  unsetenv("HEROQ_URL");
}

int main(void) {
#define WITH_OPTIONS(test) cmocka_unit_test_setup_teardown(test, fresh, done)
  const struct CMUnitTest tests[] = {
      WITH_OPTIONS(urls_are_taken_apart),
      WITH_OPTIONS(wrong_urls_are_refused),
      WITH_OPTIONS(no_text_shows_a_secret),
      WITH_OPTIONS(the_query_sets_options),
      WITH_OPTIONS(options_fill_what_the_url_leaves_open),
      WITH_OPTIONS(a_password_comes_from_a_file),
      WITH_OPTIONS(no_url_is_the_environment_or_the_default),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
