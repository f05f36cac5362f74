/* Building records. */
#ifndef HQ_RECORD_PRIVATE_H
#define HQ_RECORD_PRIVATE_H
#include <heroq/record.h>

#include "buf.h"

/* A new record or list; NULL without memory. The add functions take NULL and remember a failed allocation:
 * hq_record_finish answers E_NOMEM then. Names must be string literals or live as long as the record unless copied:
 * they are copied. */
heroq_record *hq_record_new(void);
heroq_record *hq_record_list(void);
void hq_record_add_int(heroq_record *r, const char *name, int64_t v);
void hq_record_add_double(heroq_record *r, const char *name, double v);
void hq_record_add_text(heroq_record *r, const char *name, const char *v); /* must be UTF-8; NULL is "" */
void hq_record_add_slice(heroq_record *r, const char *name, hq_slice v);   /* TEXT if UTF-8 without NUL, else BYTES */
void hq_record_add_bytes(heroq_record *r, const char *name, hq_slice v);
void hq_record_add_child(heroq_record *r, const char *name, heroq_record *child); /* takes the child's reference */
/* Freezes it into *out, or frees it. */
heroq_status hq_record_finish(heroq_record *r, heroq_record **out, heroq_error *err);
/* Bytes out of a buffer, whose memory they take over. */
heroq_status hq_bytes_take(hq_buf *b, heroq_bytes **out, heroq_error *err);
heroq_status hq_bytes_slice(hq_slice s, heroq_bytes **out, heroq_error *err);
#endif
