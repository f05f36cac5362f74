/* Keys: the shared vectors, and that keys and parts give each other back. */
#include "vectors.h"

#include "keys_private.h"

static heroq_status build(const char *function, const cJSON *args, heroq_bytes **out, heroq_error *err) {
  const char *a = cJSON_GetStringValue(cJSON_GetArrayItem(args, 0));
  const char *b = cJSON_GetStringValue(cJSON_GetArrayItem(args, 1));
  const char *c = cJSON_GetStringValue(cJSON_GetArrayItem(args, 2));
  if (!strcmp(function, "job_hash")) return heroq_key_job_hash(a, out, err);
  if (!strcmp(function, "reply")) return heroq_key_reply(a, out, err);
  if (!strcmp(function, "work_type")) return heroq_key_work_type(a, out, err);
  if (!strcmp(function, "work_group")) return heroq_key_work_group(a, b, out, err);
  if (!strcmp(function, "work_instance")) return heroq_key_work_instance(a, b, c, out, err);
  if (!strcmp(function, "stop_type")) return heroq_key_stop_type(a, out, err);
  fail_msg("no function %s", function);
  return HEROQ_E_INTERNAL;
}

/* A call that gives one text: compared with what the case wants. */
static void check_text(const cJSON *c, const char *member, heroq_status status, heroq_bytes *out, heroq_error *err) {
  if (status != vector_status(c)) {
    char *shown = cJSON_PrintUnformatted(c);
    fail_msg("%s: %s \"%s\"", shown, heroq_status_name(status), err->text);
  }
  assert_int_equal(status, err->code);
  if (status) {
    assert_null(out);
    assert_true(strlen(err->text) > 10);
    assert_null(strchr(err->text, '\n'));
  } else {
    assert_bytes_are(out, vector_text(c, member));
    assert_string_equal("", err->text);
  }
  heroq_bytes_free(out);
}

static void keys_are_built(void **state) {
  heroq_error err;
  const cJSON *c;
  cJSON_ArrayForEach(c, vectors_cases(*state, "build")) {
    heroq_bytes *out = NULL;
    heroq_status status = build(vector_text(c, "function"), vector_get(c, "args"), &out, &err);
    check_text(c, "key", status, out, &err);
    assert_int_equal(status, build(vector_text(c, "function"), vector_get(c, "args"), &out, NULL));
    heroq_bytes_free(out);
  }
  cJSON_ArrayForEach(c, vectors_cases(*state, "actor_queue")) {
    heroq_bytes *out = NULL;
    heroq_status status = heroq_key_actor_queue(vector_text(c, "script_type"), vector_text(c, "group"),
                                                vector_text(c, "instance"), &out, &err);
    check_text(c, "key", status, out, &err);
  }
}

static void script_types_are_derived(void **state) {
  heroq_error err;
  const cJSON *c;
  cJSON_ArrayForEach(c, vectors_cases(*state, "derive_script_type")) {
    heroq_bytes *out = NULL;
    heroq_status status =
        heroq_derive_script_type_from_actor_id(vector_text(c, "actor_id"), vector_text(c, "more_types"), &out, &err);
    check_text(c, "script_type", status, out, &err);
  }
}

static void names_are_checked(void **state) {
  heroq_error err;
  const cJSON *c;
  cJSON_ArrayForEach(c, vectors_cases(*state, "check_name"))
      assert_status(vector_status(c), heroq_key_check_name(vector_text(c, "name"), &err), &err);
  heroq_key_check_name("a b", &err);
  assert_string_equal("name \"a b\": character 2, ' ' (0x20), is not allowed, only A-Z a-z 0-9 _ . -", err.text);
  heroq_key_check_name("a\n", &err);
  test_assert_text(&err, "'\\x0a' (0x0a)");
}

static void keys_are_taken_apart(void **state) {
  heroq_error err;
  const cJSON *c, *part;
  cJSON_ArrayForEach(c, vectors_cases(*state, "parse")) {
    heroq_record *r = NULL;
    assert_status(vector_status(c), heroq_key_parse(vector_text(c, "key"), &r, &err), &err);
    const cJSON *parts = vector_get(c, "parts");
    assert_int_equal(cJSON_GetArraySize(parts), heroq_record_count(r));
    cJSON_ArrayForEach(part, parts)
        assert_string_equal(part->valuestring, heroq_record_text(r, heroq_record_find(r, part->string)));
    heroq_record_free(r);
  }
}

/* Every key that can be built tells what it was built from. */
static void parts_come_back(void **state) {
  const cJSON *c;
  cJSON_ArrayForEach(c, vectors_cases(*state, "build")) {
    if (vector_status(c)) continue;
    const cJSON *args = vector_get(c, "args"), *arg;
    heroq_record *r = NULL;
    heroq_error err;
    assert_ok(heroq_key_parse(vector_text(c, "key"), &r, &err), &err);
    assert_string_equal(vector_text(c, "function"), heroq_record_text(r, heroq_record_find(r, "kind")));
    int32_t i = 1;
    cJSON_ArrayForEach(arg, args) assert_string_equal(arg->valuestring, heroq_record_text(r, i++));
    assert_int_equal(i, heroq_record_count(r));
    heroq_record_free(r);
  }
}

static void nul_is_in_no_name_of_the_wire(void **state) {
  (void)state;
  assert_true(hq_name_ok((hq_slice){"osis", 4}));
  assert_false(hq_name_ok((hq_slice){"osis\0x", 6}));
  assert_false(hq_wire_id_ok((hq_slice){"42\0", 3}));
  assert_false(hq_wire_id_ok((hq_slice){"\xff", 1}));
  assert_false(hq_wire_id_ok(HQ_SLICE_NONE));
  assert_false(hq_name_ok(HQ_SLICE_NONE));
  hq_slice type, group, instance;
  assert_false(hq_key_queue_parts((hq_slice){"hero:q:work:type:a\0", 19}, &type, &group, &instance));
  assert_true(hq_key_queue_parts(hq_slice_of("hero:q:work:type:a"), &type, &group, &instance));
  assert_null(group.p);
}

/* In the shared namespace a queue and its private keys share a Cluster slot, as no name can close the braces early. */
static void no_name_breaks_a_hash_tag(void **state) {
  (void)state;
  for (int c = 0; c < 256; c++) {
    char name[3] = {'a', (char)c, 0};
    bool allowed = hq_name_ok((hq_slice){name, 2});
    assert_true(allowed == ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
                            c == '.' || c == '-'));
    assert_true(hq_wire_id_ok((hq_slice){name, 2}) == (c > 0x20 && c < 0x7f && c != '{' && c != '}'));
  }
}

static void null_out_is_an_error(void **state) {
  (void)state;
  heroq_error err;
  assert_status(HEROQ_E_INVALID, heroq_key_job_hash("42", NULL, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_key_work_type("osis", NULL, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_key_stop_type("osis", NULL, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_key_actor_queue("osis", NULL, NULL, NULL, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_derive_script_type_from_actor_id("osis", NULL, NULL, &err), &err);
  assert_status(HEROQ_E_INVALID, heroq_key_parse("hero:job:42", NULL, &err), &err);
}

static int load(void **state) {
  *state = vectors_load("keys.json");
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(keys_are_built),
      cmocka_unit_test(script_types_are_derived),
      cmocka_unit_test(names_are_checked),
      cmocka_unit_test(keys_are_taken_apart),
      cmocka_unit_test(parts_come_back),
      cmocka_unit_test(nul_is_in_no_name_of_the_wire),
      cmocka_unit_test(no_name_breaks_a_hash_tag),
      cmocka_unit_test(null_out_is_an_error),
  };
  return cmocka_run_group_tests(tests, load, vectors_free);
}
