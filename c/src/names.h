/* A list of names: keys that were found. */
#ifndef HQ_NAMES_H
#define HQ_NAMES_H
#include "buf.h"

typedef struct hq_names {
  char **name;
  uint32_t n, cap;
} hq_names;
bool hq_names_add(hq_names *names, hq_slice name);            /* false: no memory */
bool hq_names_add_all(hq_names *names, const hq_names *more); /* the same */
void hq_names_sort(hq_names *names);                          /* each once */
void hq_names_free(hq_names *names);
#endif
