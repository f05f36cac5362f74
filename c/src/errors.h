/* Filling a heroq_error. Every public function ends in hq_ok or hq_fail. All take err NULL. */
#ifndef HQ_ERRORS_H
#define HQ_ERRORS_H
#include <heroq/error.h>

heroq_status hq_ok(heroq_error *err); /* clears err, returns HEROQ_OK */
/* Sets code and text (printf style; control bytes and bytes that are not UTF-8 come out as \xNN, cut at a character),
 * clears flags, sys_errno, item = -1. Returns the code. E_UNAVAILABLE, E_CONNECTION and E_TIMEOUT are RETRYABLE. */
heroq_status hq_fail(heroq_error *err, heroq_status code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same with errno: ": strerror" is added to the text, sys_errno set. */
heroq_status hq_fail_errno(heroq_error *err, heroq_status code, int sys_errno, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
heroq_status hq_fail_nomem(heroq_error *err);
void hq_error_flag(heroq_error *err, uint32_t flag); /* adds a flag to an error already filled */
void hq_error_set_item(heroq_error *err, int32_t item);
void hq_error_copy(heroq_error *to, const heroq_error *from); /* to may be NULL */
/* Writes s escaped for one line of text into out (always NUL-terminated, cut at a character). */
void hq_escape(char *out, size_t cap, const char *s, size_t n);
#endif
