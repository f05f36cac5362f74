/* What may stand in the tags of a job, and reading them. */
#include "tags.h"

#include <string.h>

#include "errors.h"
#include "keys_private.h"

static hq_slice cut(hq_slice *tags) {
  const char *comma = tags->n ? memchr(tags->p, ',', tags->n) : NULL;
  hq_slice tag = {tags->p, comma ? (size_t)(comma - tags->p) : tags->n};
  *tags = comma ? (hq_slice){comma + 1, tags->n - tag.n - 1} : HQ_SLICE_NONE;
  return tag;
}

heroq_status hq_tags_check(hq_slice tags, heroq_error *err) {
  for (int n = 1; tags.p; n++) {
    hq_slice tag = cut(&tags);
    char shown[140];
    hq_escape(shown, sizeof shown, tag.p, tag.n);
    if (!hq_name_ok(tag))
      return hq_fail(err, HEROQ_E_INVALID,
                     "tag \"%s\": a tag has 1 to 128 of A-Z a-z 0-9 _ . -, commas are between them", shown);
    if (n > HQ_TAGS_MOST) return hq_fail(err, HEROQ_E_INVALID, "a job has at most %d tags", HQ_TAGS_MOST);
  }
  return HEROQ_OK;
}

bool hq_tags_next(hq_slice *tags, hq_slice *tag) {
  while (tags->p) {
    *tag = cut(tags);
    if (hq_name_ok(*tag)) return true;
  }
  return false;
}

bool hq_tags_have(hq_slice tags, const char *tag) {
  for (hq_slice t; hq_tags_next(&tags, &t);)
    if (hq_slice_is(t, tag)) return true;
  return false;
}

heroq_record *hq_tags_list(hq_slice tags) {
  heroq_record *list = hq_record_list();
  for (hq_slice t; hq_tags_next(&tags, &t);) hq_record_add_slice(list, "", t);
  return list;
}
