/* The tags of a job as its hash has them: names with commas between. */
#ifndef HQ_TAGS_H
#define HQ_TAGS_H
#include "record_private.h"
#include <stdbool.h>

#define HQ_TAGS_MOST 16
heroq_status hq_tags_check(hq_slice tags, heroq_error *err);
/* Cuts the next one off; what is no name is left out. false: that was the last. */
bool hq_tags_next(hq_slice *tags, hq_slice *tag);
bool hq_tags_have(hq_slice tags, const char *tag);
heroq_record *hq_tags_list(hq_slice tags);
#endif
