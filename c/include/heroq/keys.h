/** @file keys.h
 *  @brief The keys on the wire. Pure functions, any thread, no server.
 *
 *  | key | function |
 *  |---|---|
 *  | hero:job:{id} | heroq_key_job_hash |
 *  | hero:q:work:type:{type} | heroq_key_work_type |
 *  | hero:q:work:type:{type}:group:{group} | heroq_key_work_group |
 *  | hero:q:work:type:{type}:group:{group}:inst:{instance} | heroq_key_work_instance |
 *  | hero:q:reply:{id} | heroq_key_reply |
 *  | hero:q:ctl:type:{type} | heroq_key_stop_type |
 *
 *  Types, groups, instances and new ids are 1 to 128 of `A-Za-z0-9_.-`; ids that come from elsewhere may be 1 to 256
 *  printable ASCII characters without space and braces. */
#ifndef HEROQ_KEYS_H
#define HEROQ_KEYS_H

#include "record.h"

HEROQ_BEGIN_DECLS

HEROQ_API heroq_status heroq_key_job_hash(const char *job_id, heroq_bytes **out, heroq_error *err);
HEROQ_API heroq_status heroq_key_work_type(const char *script_type, heroq_bytes **out, heroq_error *err);
HEROQ_API heroq_status heroq_key_work_group(const char *script_type, const char *group, heroq_bytes **out,
                                            heroq_error *err);
HEROQ_API heroq_status heroq_key_work_instance(const char *script_type, const char *group, const char *instance,
                                               heroq_bytes **out, heroq_error *err);
HEROQ_API heroq_status heroq_key_reply(const char *job_id, heroq_bytes **out, heroq_error *err);
HEROQ_API heroq_status heroq_key_stop_type(const char *script_type, heroq_bytes **out, heroq_error *err);
/** The queue that an actor's own jobs wait in: of the type, or of the group, or of the instance, by what is given
 *  (NULL or "" = not given). The guide's get_actor_queue_key. */
HEROQ_API heroq_status heroq_key_actor_queue(const char *script_type, const char *group, const char *instance,
                                             heroq_bytes **out, heroq_error *err);
/** The script type in an actor's id: the lower-cased id is split at `_ - . :`; the first token, in the id's order, that
 *  is a known type (osis, sal, v, python, and those in `more_types`, separated by commas, NULL allowed), else the first
 *  token that is not empty. */
HEROQ_API heroq_status heroq_derive_script_type_from_actor_id(const char *actor_id, const char *more_types,
                                                              heroq_bytes **out, heroq_error *err);
/** Takes a key apart: `kind` (job_hash, work_type, work_group, work_instance, reply, stop_type) and what it names
 *  (`job_id`, `script_type`, `group`, `instance`). HEROQ_E_INVALID for any other key. */
HEROQ_API heroq_status heroq_key_parse(const char *key, heroq_record **out, heroq_error *err);
/** Checks a name (script type, group, instance) or a new job id; the error says which character is wrong. */
HEROQ_API heroq_status heroq_key_check_name(const char *name, heroq_error *err);

HEROQ_END_DECLS
#endif
