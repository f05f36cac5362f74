/* A list of names: growing, sorting, freeing. */
#include "names.h"

#include <stdlib.h>
#include <string.h>

bool hq_names_add(hq_names *names, hq_slice name) {
  if (names->n == names->cap) {
    uint32_t cap = names->cap ? names->cap * 2 : 16;
    char **more = realloc(names->name, cap * sizeof *more);
    if (!more) return false;
    names->name = more;
    names->cap = cap;
  }
  char *copy = malloc(name.n + 1);
  if (!copy) return false;
  memcpy(copy, name.p, name.n);
  copy[name.n] = 0;
  names->name[names->n++] = copy;
  return true;
}

bool hq_names_add_all(hq_names *names, const hq_names *more) {
  bool ok = true;
  for (uint32_t i = 0; i < more->n && ok; i++) ok = hq_names_add(names, hq_slice_of(more->name[i]));
  return ok;
}

void hq_names_free(hq_names *names) {
  for (uint32_t i = 0; i < names->n; i++) free(names->name[i]);
  free(names->name);
  *names = (hq_names){0};
}

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

void hq_names_sort(hq_names *names) {
  uint32_t kept = 0;
  if (!names->n) return;
  qsort(names->name, names->n, sizeof *names->name, by_name);
  for (uint32_t i = 1; i < names->n; i++)
    if (strcmp(names->name[i], names->name[kept]))
      names->name[++kept] = names->name[i];
    else
      free(names->name[i]);
  names->n = kept + 1;
}
