// Verdicts in a line, domains, and the names of errors.
#ifndef LAZARET_VERDICT_H
#define LAZARET_VERDICT_H

#include "lazaret.h"

// Each sets `*verdict`. Texts are not copied and not freed: constants will do, and so will what was allocated for this
// call. Texts of refusals are for strangers: printable US-ASCII, at most ten lines and 400 octets together; else the host's own words
// stand in place of all of it.
void lazaret_continue(lazaret_verdict_t *verdict);
void lazaret_accept(lazaret_verdict_t *verdict);
void lazaret_discard(lazaret_verdict_t *verdict);
void lazaret_reject(lazaret_verdict_t *verdict, const char *text);
void lazaret_defer(lazaret_verdict_t *verdict, const char *text);
void lazaret_disconnect(lazaret_verdict_t *verdict, const char *text);
void lazaret_quarantine(lazaret_verdict_t *verdict, const char *reason);

// As lazaret_reject, with a reply code of ours (500 to 599) and an enhanced status code (RFC 3463).
void lazaret_reject_with(lazaret_verdict_t *verdict, uint16_t code, const char *enhanced, const char *text);

// Is a domain this one or below it? `a.example.org` is within `example.org`, in any case of letters.
bool lazaret_is_within(const lazaret_string_t *domain, const char *above);

// "not-granted" and so on: as in the contract.
const char *lazaret_error_name(lazaret_error_t error);

// A text for a call of the host, not copied.
lazaret_string_t lazaret_text(const char *text);

// One line for the log.
void lazaret_log(lazaret_log_level_t level, const char *line);

#endif
