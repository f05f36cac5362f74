/* Key text, appended to buffers. */
#ifndef HQ_KEYS_PRIVATE_H
#define HQ_KEYS_PRIVATE_H
#include <heroq/keys.h>
#include <stdbool.h>

#include "buf.h"

#define HQ_REPLY_PREFIX "hero:q:reply:"
#define HQ_WAITER_PREFIX "hero:q:reply:waiter."
#define HQ_WORK_PREFIX "hero:q:work:type:"
#define HQ_JOB_PREFIX "hero:job:"
#define HQ_QUEUES_KEY "{heroq}:queues"
#define HQ_MARK_KEY "{heroq}:mark"
#define HQ_INDEX_MADE_KEY "{heroq}:index:made"
#define HQ_INDEX_IDS_KEY "{heroq}:index:ids"
#define HQ_INDEX_TAG_PREFIX "{heroq}:index:tag:"
#define HQ_INDEX_CALLER_PREFIX "{heroq}:index:caller:"

bool hq_name_ok(hq_slice name);  /* A-Za-z0-9_.- 1 to 128 */
bool hq_wire_id_ok(hq_slice id); /* printable without space and braces, 1 to 256 */
/* heroq_key_check_name whose error says what the name is for; err is left as it is on success. */
heroq_status hq_key_check_name(const char *what, const char *name, heroq_error *err);
void hq_key_job(hq_buf *b, hq_slice id);
void hq_key_reply_of(hq_buf *b, hq_slice id);
void hq_key_queue(hq_buf *b, const char *script_type, const char *group, const char *instance); /* valid names only */
void hq_key_ctl(hq_buf *b, const char *script_type);
/* The parts of a queue's key; false if it is none. Slices into key. */
bool hq_key_queue_parts(hq_slice key, hq_slice *script_type, hq_slice *group, hq_slice *instance);
#endif
