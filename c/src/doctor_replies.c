/* The doctor's check of reply lists that stay for ever: of which it may set an end, and of which not. */
#include "doctor_private.h"

#include "delivery.h"
#include "errors.h"
#include "job_private.h"
#include "keys_private.h"
#include <stdio.h>
#include <string.h>

enum {
  SAMPLE = 1000, /* lists looked at */
  ROUNDS = 20,   /* SCANs for them */
  REPLIES = 10,  /* lists without an end that are no accident */
};

typedef struct endless {
  hq_names lists; /* without an end */
  int64_t entries;
} endless;

/* An hour for those whose job has ended: their hash has the result as well. */
static heroq_status end_them(hq_doctor *d, const void *what, hq_repair *out, heroq_error *err) {
  const endless *all = what;
  uint32_t ended = 0;
  hq_batch b, ends;
  hq_batch_init(&b);
  hq_batch_init(&ends);
  for (uint32_t i = 0; i < all->lists.n; i++) {
    hq_buf key = {0};
    hq_key_job(&key, hq_slice_of(all->lists.name[i] + strlen(HQ_REPLY_PREFIX)));
    hq_batch_words(&b, "HGET", hq_buf_cstr(&key), "status", NULL);
    hq_buf_free(&key);
  }
  heroq_status status = hq_errand_run(&d->errand, &b, err);
  for (uint32_t i = 0; i < all->lists.n && !status; i++)
    if (hq_state_terminal(hq_state_parse(hq_reply_str(hq_batch_reply(&b, i)))))
      hq_batch_words(&ends, "PEXPIRE", all->lists.name[i], "3600000", NULL);
  if (!status && ends.count) status = hq_errand_all(&d->errand, &ends, HQ_REPLY_PREFIX "*", err);
  for (uint32_t i = 0; i < ends.count && !status; i++) ended += hq_reply_int(hq_batch_reply(&ends, i), 0) == 1;
  out->done = !status && all->lists.n - ended < REPLIES;
  snprintf(out->said, sizeof out->said, "%u of %u lists end in an hour; the jobs of the others have not ended", ended,
           all->lists.n);
  hq_batch_free(&ends);
  hq_batch_free(&b);
  return status;
}

static heroq_status find_endless(hq_doctor *d, const hq_names *lists, endless *out, heroq_error *err) {
  hq_batch b;
  hq_batch_init(&b);
  for (uint32_t i = 0; i < lists->n; i++) {
    hq_batch_words(&b, "PTTL", lists->name[i], NULL);
    hq_batch_words(&b, "LLEN", lists->name[i], NULL);
  }
  heroq_status status = lists->n ? hq_errand_all(&d->errand, &b, HQ_REPLY_PREFIX "*", err) : HEROQ_OK;
  for (uint32_t i = 0; i < lists->n && !status; i++) {
    if (hq_reply_int(hq_batch_reply(&b, 2 * i), 0) != -1) continue;
    out->entries += hq_reply_int(hq_batch_reply(&b, 2 * i + 1), 0);
    if (!hq_names_add(&out->lists, hq_slice_of(lists->name[i]))) status = hq_fail_nomem(err);
  }
  hq_batch_free(&b);
  return status;
}

heroq_status hq_check_replies(hq_doctor *d, heroq_error *err) {
  hq_names lists = {0};
  endless all = {0};
  bool whole;
  char found[400], mend[400], word[320];
  heroq_status status = hq_find_keys(&d->errand, HQ_REPLY_PREFIX "*", "list", ROUNDS, SAMPLE, &lists, &whole, err);
  if (!status) status = find_endless(d, &lists, &all, err);
  if (!status && all.lists.n >= REPLIES) {
    snprintf(found, sizeof found, "%u reply lists with %lld replies and no end, such as %.250s", all.lists.n,
             (long long)all.entries, all.lists.name[0]);
    snprintf(mend, sizeof mend, "redis-cli EXPIRE %s 3600", hq_doctor_word(all.lists.name[0], word));
    status = hq_doctor_add_mended(d, HQ_FOUND_ENDLESS_REPLIES, HQ_REPLY_PREFIX "*", found, mend,
                                  "let those end in an hour whose job has ended", end_them, &all, err);
  }
  hq_names_free(&all.lists);
  hq_names_free(&lists);
  return status;
}
