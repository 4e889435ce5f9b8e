#include "lazaret_verdict.h"

#include <string.h>
#include <strings.h>

lazaret_string_t lazaret_text(const char *text) {
  lazaret_string_t string;
  lazaret_string_set(&string, text);
  return string;
}

void lazaret_log(lazaret_log_level_t level, const char *line) {
  lazaret_string_t text = lazaret_text(line);
  lazaret_log_write(level, &text);
}

static void plain(lazaret_verdict_t *verdict, uint8_t tag) { *verdict = (lazaret_verdict_t){.tag = tag}; }

// Reject, defer and disconnect carry the same in the same place.
static void with_reply(lazaret_verdict_t *verdict, uint8_t tag, const char *text) {
  plain(verdict, tag);
  verdict->val.reject.text = lazaret_text(text);
}

void lazaret_continue(lazaret_verdict_t *verdict) { plain(verdict, LAZARET_VERDICT_CONTINUE); }

void lazaret_accept(lazaret_verdict_t *verdict) { plain(verdict, LAZARET_VERDICT_ACCEPT); }

void lazaret_discard(lazaret_verdict_t *verdict) { plain(verdict, LAZARET_VERDICT_DISCARD); }

void lazaret_reject(lazaret_verdict_t *verdict, const char *text) {
  with_reply(verdict, LAZARET_VERDICT_REJECT, text);
}

void lazaret_defer(lazaret_verdict_t *verdict, const char *text) {
  with_reply(verdict, LAZARET_VERDICT_DEFER, text);
}

void lazaret_disconnect(lazaret_verdict_t *verdict, const char *text) {
  with_reply(verdict, LAZARET_VERDICT_DISCONNECT, text);
}

void lazaret_quarantine(lazaret_verdict_t *verdict, const char *reason) {
  plain(verdict, LAZARET_VERDICT_QUARANTINE);
  verdict->val.quarantine = lazaret_text(reason);
}

void lazaret_reject_with(lazaret_verdict_t *verdict, uint16_t code, const char *enhanced, const char *text) {
  lazaret_reject(verdict, text);
  verdict->val.reject.code = (lazaret_option_u16_t){.is_some = true, .val = code};
  verdict->val.reject.enhanced = (lazaret_option_string_t){.is_some = true, .val = lazaret_text(enhanced)};
}

bool lazaret_is_within(const lazaret_string_t *domain, const char *above) {
  size_t length = strlen(above);
  if (length == 0 || domain->len < length) return false;
  const char *tail = (const char *)domain->ptr + (domain->len - length);
  return strncasecmp(tail, above, length) == 0 && (domain->len == length || tail[-1] == '.');
}

const char *lazaret_error_name(lazaret_error_t error) {
  switch (error) {
  case LAZARET_ERROR_NOT_GRANTED:
    return "not-granted";
  case LAZARET_ERROR_NOT_NOW:
    return "not-now";
  case LAZARET_ERROR_LIMIT:
    return "limit";
  case LAZARET_ERROR_UNAVAILABLE:
    return "unavailable";
  default:
    return "invalid";
  }
}
