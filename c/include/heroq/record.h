/** @file record.h
 *  @brief What functions answer when it is more than a handle: bytes, and records of named values. */
#ifndef HEROQ_RECORD_H
#define HEROQ_RECORD_H

#include "error.h"

HEROQ_BEGIN_DECLS

/** Bytes that the caller owns. The data is followed by a NUL that is not counted. Immutable; any thread. */
HEROQ_API heroq_status heroq_bytes_new(const void *data, size_t size, heroq_bytes **out, heroq_error *err);
/** Valid until the free. Never NULL for a valid handle. */
HEROQ_API const void *heroq_bytes_data(const heroq_bytes *self);
HEROQ_API size_t heroq_bytes_size(const heroq_bytes *self);
HEROQ_API void heroq_bytes_free(heroq_bytes *self);

/** What a value of a record is. */
enum heroq_value_kind {
  HEROQ_VALUE_NONE = 0,
  HEROQ_VALUE_INT64 = 1,
  HEROQ_VALUE_DOUBLE = 2,
  HEROQ_VALUE_TEXT = 3,   /**< UTF-8, NUL-terminated */
  HEROQ_VALUE_BYTES = 4,  /**< anything, with a size */
  HEROQ_VALUE_RECORD = 5, /**< a child record with named values */
  HEROQ_VALUE_LIST = 6    /**< a child record whose values have no names */
};

/** A record is a list of named values; in a list the names are empty. It never changes; several threads may read it.
 *  Names are only ever added by later versions: look values up by name, ignore the rest. Times are Unix ms UTC,
 *  durations ms, unless the name says otherwise. A page of a listing has `rows` (a list) and `cursor` (text; "0" is
 *  the end). */
HEROQ_API int32_t heroq_record_count(const heroq_record *self);
/** The name of value i; "" in a list, NULL out of range. */
HEROQ_API const char *heroq_record_name(const heroq_record *self, int32_t i);
/** heroq_value_kind of value i; HEROQ_VALUE_NONE out of range. */
HEROQ_API int32_t heroq_record_kind(const heroq_record *self, int32_t i);
/** Index of a name, or -1. */
HEROQ_API int32_t heroq_record_find(const heroq_record *self, const char *name);
/** The value as a number; a double is cut, anything else is 0, out of range too. */
HEROQ_API int64_t heroq_record_int64(const heroq_record *self, int32_t i);
HEROQ_API double heroq_record_double(const heroq_record *self, int32_t i);
/** The value as text, "" if it is none, or out of range. Valid until the free. */
HEROQ_API const char *heroq_record_text(const heroq_record *self, int32_t i);
/** Text or bytes with the size; NULL and 0 for other kinds. Valid until the free. */
HEROQ_API const void *heroq_record_bytes(const heroq_record *self, int32_t i, size_t *size);
/** A child, to be freed by the caller; it stays valid after its parent's free. HEROQ_E_NOT_FOUND if value i is none. */
HEROQ_API heroq_status heroq_record_child(const heroq_record *self, int32_t i, heroq_record **out, heroq_error *err);
/** The whole record as JSON text (bytes that are not UTF-8 become {"base64": "…"}). */
HEROQ_API heroq_status heroq_record_json(const heroq_record *self, heroq_bytes **out, heroq_error *err);
HEROQ_API void heroq_record_free(heroq_record *self);

HEROQ_END_DECLS
#endif
