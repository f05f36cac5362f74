/** @file doctor.h
 *  @brief Looks at the whole system and says what is wrong. */
#ifndef HEROQ_DOCTOR_H
#define HEROQ_DOCTOR_H

#include "client.h"

HEROQ_BEGIN_DECLS

/** `worst` (ok, unknown, warning, error) and `checks`, a list of: check, severity, subject (a key or a setting), found,
 *  means, mend (a command). Checks that the user may not make are severity `unknown`. */
HEROQ_API heroq_status heroq_doctor_run(heroq_client *client, const heroq_options *options, heroq_record **out,
                                        heroq_call *call, heroq_error *err);

HEROQ_END_DECLS
#endif
