/** @file options.h
 *  @brief All options of the library, in one table. */
#ifndef HEROQ_OPTIONS_H
#define HEROQ_OPTIONS_H

#include "record.h"

HEROQ_BEGIN_DECLS

/** A set of options, name → value, checked when set. The same names work here, in a URL's query
 *  (redis://host/0?lease=10s), in the environment (HEROQ_LEASE), on the command line and as Python keywords.
 *  Durations are written "250ms", "5s", "10m", "24h", "30d", or as a plain number of milliseconds; sizes "16MiB" or
 *  bytes; switches "yes"/"no". One thread at a time; functions that take options copy what they need. */
HEROQ_API heroq_status heroq_options_new(heroq_options **out, heroq_error *err);
/** HEROQ_E_OPTION names the nearest option, or what a right value looks like. */
HEROQ_API heroq_status heroq_options_set(heroq_options *self, const char *name, const char *value, heroq_error *err);
/** The value in force as text: as set, else the default; *is_set tells which (may be NULL). Secrets come out as "***".*/
HEROQ_API heroq_status heroq_options_get(const heroq_options *self, const char *name, heroq_bytes **out,
                                         int32_t *is_set, heroq_error *err);
HEROQ_API void heroq_options_free(heroq_options *self);

/** How many options there are. */
HEROQ_API int32_t heroq_options_count(void);
/** Option i: name, type (text, bool, int, duration, size, choice, secret), scope (client, job, actor, supervisor,
 *  waiter, list, doctor), default, min, max, choices, text. */
HEROQ_API heroq_status heroq_options_describe(int32_t i, heroq_record **out, heroq_error *err);

HEROQ_END_DECLS
#endif
