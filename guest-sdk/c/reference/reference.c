// The reference filter in C: every stage, every permission, every way to answer and to fail. What it does is specified
// in guest-sdk/reference.
#include "reference.h"

#include <string.h>

reference_t reference;

bool is(lazaret_string_t string, const char *constant) {
  return string.len == strlen(constant) && memcmp(string.ptr, constant, string.len) == 0;
}

const char *answer(bool ok, lazaret_error_t error) { return ok ? "ok" : lazaret_error_name(error); }

static bool starts_with(lazaret_string_t string, const char *prefix) {
  return string.len >= strlen(prefix) && memcmp(string.ptr, prefix, strlen(prefix)) == 0;
}

static lazaret_string_t from(lazaret_string_t string, size_t start) {
  return (lazaret_string_t){.ptr = string.ptr + start, .len = string.len - start};
}

// The command in a name, e.g. `try-reject.example.com`.
static void obey_name(const char *stage, lazaret_string_t name, lazaret_verdict_t *verdict) {
  lazaret_continue(verdict);
  if (!starts_with(name, "try-"))
    return;
  lazaret_string_t command = from(name, strlen("try-"));
  const uint8_t *dot = memchr(command.ptr, '.', command.len);
  if (dot != NULL)
    command.len = (size_t)(dot - command.ptr);
  obey(stage, command, verdict);
}

// The commands in the fields `X-Try` that are for this stage, until one is a verdict.
static void obey_fields(const char *stage, lazaret_verdict_t *verdict) {
  lazaret_continue(verdict);
  lazaret_string_t name = lazaret_text("X-Try");
  lazaret_list_string_t fields;
  lazaret_headers_text(&name, &fields);
  for (size_t i = 0; i < fields.len && verdict->tag == LAZARET_VERDICT_CONTINUE; i++) {
    lazaret_string_t field = fields.ptr[i];
    size_t length = strlen(stage);
    if (starts_with(field, stage) && field.len > length && field.ptr[length] == ' ')
      obey(stage, from(field, length + 1), verdict);
  }
}

bool lazaret_configure(lazaret_string_t *config, lazaret_string_t *err) {
  reference.points = 1;
  if (!settings_read(*config, err))
    return false;
  lazaret_line_t line = {0};
  lazaret_line_add(&line, "configured: ");
  lazaret_line_add_number(&line, reference.domains.len);
  lazaret_line_add(&line, " domains");
  lazaret_log(LAZARET_LOG_LEVEL_INFO, line.text);
  lazaret_string_t filter = lazaret_text("reference"), key = lazaret_text("client");
  lazaret_option_string_t note;
  lazaret_error_t error;
  bool ok = lazaret_notes_get(&filter, &key, &note, &error);
  reference.configuring = answer(ok, error);
  return true;
}

void lazaret_on_connect(lazaret_verdict_t *ret) {
  reference.calls++;
  lazaret_session_client_info_t client;
  lazaret_session_client(&client);
  lazaret_string_t key = lazaret_text("client"), listener;
  lazaret_error_t ignored;
  lazaret_notes_set(LAZARET_NOTES_SCOPE_CONNECTION, &key, &client.address, &ignored);
  lazaret_session_listener(&listener);
  obey_name("connect", listener, ret);
}

void lazaret_on_hello(lazaret_string_t *name, lazaret_verdict_t *ret) {
  reference.calls++;
  obey_name("hello", *name, ret);
}

void lazaret_on_auth(lazaret_string_t *mechanism, lazaret_string_t *maybe_name, lazaret_verdict_t *ret) {
  (void)mechanism;
  reference.calls++;
  obey_name("auth", maybe_name ? *maybe_name : lazaret_text(""), ret);
}

static void to_lower_case(lazaret_string_t string) {
  for (size_t i = 0; i < string.len; i++)
    if (string.ptr[i] >= 'A' && string.ptr[i] <= 'Z')
      string.ptr[i] |= 0x20;
}

static bool is_listed(lazaret_string_t domain) {
  for (size_t i = 0; i < reference.domains.len; i++) {
    lazaret_string_t listed = reference.domains.ptr[i];
    if (listed.len == domain.len && memcmp(listed.ptr, domain.ptr, domain.len) == 0)
      return true;
  }
  return false;
}

void lazaret_on_mail(lazaret_address_t *sender, lazaret_verdict_t *ret) {
  reference.calls++;
  to_lower_case(sender->domain);
  if (is_listed(sender->domain)) {
    lazaret_line_t why = {0};
    lazaret_line_add_string(&why, sender->domain);
    lazaret_line_add(&why, " is listed");
    lazaret_string_t symbol = lazaret_text("LISTED"), reason = lazaret_line_string(&why);
    lazaret_error_t error;
    if (!lazaret_score_add(&symbol, reference.points, &reason, &error)) {
      lazaret_line_t line = {0};
      lazaret_line_add(&line, "score: ");
      lazaret_line_add(&line, lazaret_error_name(error));
      lazaret_log(LAZARET_LOG_LEVEL_WARN, line.text);
    }
  }
  obey_name("mail", sender->local_part, ret);
}

void lazaret_on_rcpt(lazaret_address_t *recipient, lazaret_verdict_t *ret) {
  reference.calls++;
  obey_name("rcpt", recipient->local_part, ret);
}

void lazaret_on_headers(lazaret_verdict_t *ret) {
  reference.calls++;
  obey_fields("headers", ret);
}

void lazaret_on_message(lazaret_verdict_t *ret) {
  reference.calls++;
  obey_fields("message", ret);
}

static lazaret_string_t or_none(lazaret_option_string_t option) {
  return option.is_some ? option.val : lazaret_text("none");
}

void lazaret_on_outcome(lazaret_outcome_t *transaction) {
  lazaret_line_t line = {0};
  lazaret_line_add(&line, "outcome ");
  lazaret_line_add_number(&line, transaction->code);
  lazaret_line_add(&line, " by=");
  lazaret_line_add_string(&line, or_none(transaction->decided_by));
  lazaret_line_add(&line, " queue=");
  lazaret_line_add_string(&line, or_none(transaction->queue_id));
  lazaret_log(LAZARET_LOG_LEVEL_INFO, line.text);
}

void lazaret_on_disconnect(lazaret_string_t *reason) {
  lazaret_line_t line = {0};
  lazaret_line_add(&line, "disconnect ");
  lazaret_line_add_string(&line, *reason);
  lazaret_log(LAZARET_LOG_LEVEL_INFO, line.text);
}
