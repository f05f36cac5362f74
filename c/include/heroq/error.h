/** @file error.h
 *  @brief Status codes, their kinds, and the error that every call fills. */
#ifndef HEROQ_ERROR_H
#define HEROQ_ERROR_H

#include "base.h"

/** The one list of statuses: X(name, number, kind, text). The numbers are fixed for ever. */
#define HEROQ_STATUS_LIST(X)                                                                                           \
  X(OK, 0, NONE, "success")                                                                                            \
  X(E_INVALID, -1, INVALID, "an argument is not valid")                                                                \
  X(E_OPTION, -2, INVALID, "no such option, or not a value for it")                                                    \
  X(E_JSON, -3, INVALID, "not the JSON that is wanted here")                                                           \
  X(E_TOO_BIG, -4, INVALID, "larger than the limit allows")                                                            \
  X(E_STATE, -5, STATE, "not possible in this state")                                                                  \
  X(E_CLOSED, -6, STATE, "closed, or drained and empty")                                                               \
  X(E_FORKED, -7, STATE, "the handle belongs to the process before fork")                                              \
  X(E_SETTLED, -8, STATE, "the job is settled already")                                                                \
  X(E_LOST, -9, STATE, "the lease is gone, another actor may have the job")                                            \
  X(E_STUCK, -10, STATE, "too many handlers hang past their timeout")                                                  \
  X(E_FULL, -11, STATE, "a bounded buffer is full")                                                                    \
  X(E_PARTIAL, -12, STATE, "some items failed")                                                                        \
  X(E_EXISTS, -13, STATE, "the id is taken by a job with another content")                                             \
  X(E_BUSY, -14, STATE, "the job is running")                                                                          \
  X(E_FAILED, -15, STATE, "the job ended with an error")                                                               \
  X(E_NOT_FOUND, -16, NOT_FOUND, "not there")                                                                          \
  X(E_EXPIRED, -17, NOT_FOUND, "the job's hash is gone")                                                               \
  X(E_TIMEOUT, -18, TIMEOUT, "not in time")                                                                            \
  X(E_CANCELLED, -19, CANCELLED, "the call was cancelled")                                                             \
  X(E_CONNECTION, -20, CONNECTION, "the server cannot be reached")                                                     \
  X(E_PROTOCOL, -21, CONNECTION, "the peer does not speak the protocol")                                               \
  X(E_AUTH, -22, SERVER, "the server refused the user or the password")                                                \
  X(E_DENIED, -23, SERVER, "the user may not do this")                                                                 \
  X(E_SERVER, -24, SERVER, "the server answered with an error")                                                        \
  X(E_UNAVAILABLE, -25, SERVER, "the server cannot do this now")                                                       \
  X(E_WRONG_TYPE, -26, SERVER, "a key holds another type than heroq expects")                                          \
  X(E_UNSUPPORTED, -27, SERVER, "the server or this build cannot do this")                                             \
  X(E_NOMEM, -28, INTERNAL, "out of memory")                                                                           \
  X(E_INTERNAL, -29, INTERNAL, "a fault inside heroq")                                                                 \
  X(E_TLS, -30, CONNECTION, "the server's certificate is refused, or TLS failed")

/** heroq_status values, HEROQ_OK, HEROQ_E_INVALID, … */
enum heroq_status_code {
#define HEROQ_STATUS_ENUM(name, number, kind, text) HEROQ_##name = (number),
  HEROQ_STATUS_LIST(HEROQ_STATUS_ENUM)
#undef HEROQ_STATUS_ENUM
};

/** Eight kinds, fixed for ever: a binding maps kinds to exceptions and so understands codes newer than itself. */
enum heroq_kind {
  HEROQ_KIND_NONE = 0,
  HEROQ_KIND_INVALID = 1,
  HEROQ_KIND_STATE = 2,
  HEROQ_KIND_NOT_FOUND = 3,
  HEROQ_KIND_TIMEOUT = 4,
  HEROQ_KIND_CANCELLED = 5,
  HEROQ_KIND_CONNECTION = 6,
  HEROQ_KIND_SERVER = 7,
  HEROQ_KIND_INTERNAL = 8
};

/** Bits of heroq_error.flags. */
enum heroq_error_flag {
  HEROQ_RETRYABLE = 1, /**< the same call may succeed later */
  HEROQ_MAYBE_DONE = 2 /**< the request was sent and the answer is unknown: it may have been carried out */
};

/** Room for the text of an error, its NUL included. */
#define HEROQ_ERROR_TEXT 464

/** The only public struct. It is the caller's, of fixed size, and may be NULL in every call. Each call sets it:
 *  all zero and an empty text on success. `text` is one line of valid UTF-8; foreign bytes are escaped as \xNN. */
struct heroq_error {
  int32_t code;                /**< a heroq_status */
  uint32_t flags;              /**< HEROQ_RETRYABLE, HEROQ_MAYBE_DONE */
  int32_t sys_errno;           /**< errno of the system call behind it, or 0 */
  int32_t item;                /**< index of the item of a list that failed, or -1 */
  char text[HEROQ_ERROR_TEXT]; /**< what, where, and what would be right */
  uint8_t reserved[32];        /**< zero */
};

HEROQ_BEGIN_DECLS

/** "HEROQ_E_TIMEOUT"; "HEROQ_E_?" for a number that this library does not know. Static. */
HEROQ_API const char *heroq_status_name(heroq_status status);
/** A short text for a status. Static. */
HEROQ_API const char *heroq_status_text(heroq_status status);
/** The heroq_kind of a status; unknown numbers are HEROQ_KIND_INTERNAL. */
HEROQ_API int32_t heroq_status_kind(heroq_status status);
/** The i-th status of the list, for bindings that make their constants from it: writes the number to *status.
 *  HEROQ_E_NOT_FOUND past the end. */
HEROQ_API heroq_status heroq_status_at(int32_t i, heroq_status *status);

/** For languages that do not lay out C structs: an error on the heap, zeroed. NULL if there is no memory. */
HEROQ_API heroq_error *heroq_error_new(void);
HEROQ_API void heroq_error_free(heroq_error *error);
HEROQ_API int32_t heroq_error_code(const heroq_error *error);
HEROQ_API uint32_t heroq_error_flags(const heroq_error *error);
HEROQ_API int32_t heroq_error_errno(const heroq_error *error);
HEROQ_API int32_t heroq_error_item(const heroq_error *error);
/** Valid until the error is used again. */
HEROQ_API const char *heroq_error_text(const heroq_error *error);

HEROQ_END_DECLS
#endif
