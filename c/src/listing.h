/* A listing of jobs under way: what is wanted, and the rows so far. Shared by supervisor_list.c (the call), listing.c (rows
 * and filters), listing_scan.c and listing_index.c (the two ways to find ids). */
#ifndef HQ_LISTING_H
#define HQ_LISTING_H
#include "client_private.h"
#include "record_private.h"

#define HQ_LOOK_MOST 1000    /* keys or ids in one look: the server does it in well below 10 ms */
#define HQ_CURSOR_MOST 264   /* "p" and an id of 256 */
#define HQ_CLOCKS_MS 3600000 /* clocks of machines differ by less */

/* The values of the option `source`. */
enum hq_source { HQ_SOURCE_AUTO, HQ_SOURCE_INDEX, HQ_SOURCE_SCAN };

typedef struct hq_listing {
  heroq_client *client;
  heroq_call *call;
  int64_t count;
  const char *status, *type, *text, *id_prefix, *caller, *tag;
  int64_t source;        /* hq_source, as it was asked for */
  int64_t before, since; /* made then, Unix ms; 0: any */
  char cursor[HQ_CURSOR_MOST];
  hq_buf key;     /* of the index that is walked, or that has what was told already */
  int64_t look;   /* how many the next look is to take */
  int64_t looked; /* so far, in this page */
  heroq_record *rows;
  int64_t found;
} hq_listing;

/* ---- listing.c ---- */
bool hq_listing_id_fits(const hq_listing *l, hq_slice id);
/* Reads the hashes of ids that fit, and adds the rows that do. */
heroq_status hq_listing_read(hq_listing *l, const hq_slice *id, uint32_t n, heroq_error *err);
heroq_status hq_listing_set_cursor(hq_listing *l, hq_slice cursor, heroq_error *err);
heroq_status hq_listing_take_cursor(hq_listing *l, hq_buf *text, heroq_error *err); /* the same; frees the text */

/* ---- listing_scan.c: the cursor is SCAN's own; behind "s", what the index has told is left out ---- */
heroq_status hq_listing_scan(hq_listing *l, heroq_error *err);

/* ---- listing_index.c: the cursor is "t", a time, "." and how many of that time were told, or "p" and the last id ---- */
bool hq_listing_by_name(const hq_listing *l);
/* Whether there is an index. */
heroq_status hq_listing_has_index(const hq_listing *l, bool *has, heroq_error *err);
/* One look; at the end the cursor is "0". */
heroq_status hq_listing_walk(hq_listing *l, heroq_error *err);
/* Of ids that a scan has found: which of them the walk has told, or would have. told[i] is set. */
heroq_status hq_listing_told(hq_listing *l, const hq_slice *id, uint32_t n, bool *told, heroq_error *err);
#endif
