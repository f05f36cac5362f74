/** @file doctor.h
 *  @brief Looks at the whole system and says what is wrong. */
#ifndef HEROQ_DOCTOR_H
#define HEROQ_DOCTOR_H

#include "client.h"

HEROQ_BEGIN_DECLS

/** Looks, and answers: `worst` (ok, unknown, warning, error), `url`, `library` (its version), `tls` (1: it can), how many there are of `error`, `warning`, `unknown`
 *  and `ok`, `fixed` (how many were mended; those do not count), and `checks`, a list of
 *  check, finding (its name; "" where nothing is wrong), severity, subject (a key, a setting), looked (what at), found,
 *  means, mend (a command), fixable (1: `fix` mends it), fix (what was done, or would be), fixed (1: it is no more).
 *  What the user may not look at is of severity unknown; each check stands alone. It scans, but in bounded steps, and
 *  never KEYS. With the option `fix` it mends what can be mended without losing a job or running one twice; it never
 *  changes a setting of the server. */
HEROQ_API heroq_status heroq_doctor_run(heroq_client *client, const heroq_options *options, heroq_record **out,
                                        heroq_call *call, heroq_error *err);
/** All that it can find: `findings`, a list of: finding, check, severity, fixable, means. */
HEROQ_API heroq_status heroq_doctor_findings(heroq_record **out, heroq_error *err);

HEROQ_END_DECLS
#endif
