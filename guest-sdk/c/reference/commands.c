// The commands that a mail gives to the filter.
#include "reference.h"

#include <stdlib.h>
#include <string.h>

static bool edit_add(const char *name, lazaret_string_t value, lazaret_error_t *error) {
  lazaret_string_t field = lazaret_text(name);
  return lazaret_edit_headers_add(&field, &value, error);
}

// Eight octets that nobody knew before.
static const char *random_text(void) {
  lazaret_line_t line = {0};
  lazaret_list_u8_t octets;
  lazaret_entropy_random(8, &octets);
  lazaret_line_add_hex(&line, octets);
  return line.text;
}

static void add_answer(lazaret_line_t *line, const char *word, const char *answer) {
  lazaret_line_add(line, word);
  lazaret_line_add(line, answer);
}

// Calls of which some must fail at each stage.
static const char *errors(void) {
  lazaret_line_t line = {0};
  lazaret_error_t error;
  lazaret_list_u8_t octets;
  lazaret_string_t text, empty = lazaret_text(""), key = lazaret_text("key"), value = lazaret_text("value");
  add_answer(&line, "configure=", reference.configuring);
  bool ok = edit_add("X Bad", value, &error);
  add_answer(&line, " edit=", answer(ok, error));
  ok = lazaret_body_read(0, 1, &octets, &error);
  add_answer(&line, " body=", answer(ok, error));
  ok = lazaret_parts_text(9999, &text, &error);
  add_answer(&line, " part=", answer(ok, error));
  ok = lazaret_score_add(&empty, 1, &empty, &error);
  add_answer(&line, " score=", answer(ok, error));
  ok = lazaret_notes_set(LAZARET_NOTES_SCOPE_TRANSACTION, &key, &value, &error);
  add_answer(&line, " note=", answer(ok, error));
  ok = lazaret_pace_hold(0, &error);
  add_answer(&line, " hold=", answer(ok, error));
  return line.text;
}

// Writes notes until the host has had enough.
static const char *limit(void) {
  lazaret_string_t key = lazaret_text("again"), value = lazaret_text("x");
  lazaret_error_t error;
  unsigned count = 0;
  while (lazaret_notes_set(LAZARET_NOTES_SCOPE_CONNECTION, &key, &value, &error))
    count++;
  lazaret_line_t line = {0};
  lazaret_line_add_number(&line, count);
  add_answer(&line, " notes, then ", lazaret_error_name(error));
  return line.text;
}

static void replace_subject(const char *stage) {
  lazaret_string_t name = lazaret_text("Subject");
  lazaret_list_string_t subjects;
  lazaret_headers_text(&name, &subjects);
  lazaret_line_t line = {0};
  lazaret_line_add(&line, "[");
  lazaret_line_add(&line, stage);
  lazaret_line_add(&line, "]");
  if (subjects.len > 0) {
    lazaret_line_add(&line, " ");
    lazaret_line_add_string(&line, subjects.ptr[0]);
  }
  lazaret_string_t value = lazaret_line_string(&line);
  lazaret_error_t error, ignored;
  if (!lazaret_edit_headers_replace(&name, 0, &value, &error))
    edit_add("X-Reference-Replace", lazaret_text(lazaret_error_name(error)), &ignored);
}

// Adds, replaces and removes fields. What the operator does not allow is left out.
static void edits(const char *stage) {
  lazaret_error_t error;
  lazaret_line_t added = {0}, removed = {0};
  lazaret_line_add(&added, "added at ");
  lazaret_line_add(&added, stage);
  edit_add("X-Reference", lazaret_line_string(&added), &error);
  replace_subject(stage);
  lazaret_string_t all = lazaret_text("X-Remove"), second = lazaret_text("X-Remove-Second");
  uint32_t count, nth = 1;
  if (lazaret_edit_headers_remove(&all, NULL, &count, &error))
    lazaret_line_add_number(&removed, count);
  else
    lazaret_line_add(&removed, lazaret_error_name(error));
  edit_add("X-Removed", lazaret_line_string(&removed), &error);
  lazaret_edit_headers_remove(&second, &nth, &count, &error);
}

static void log_command(const char *stage, lazaret_string_t command) {
  lazaret_line_t line = {0};
  lazaret_line_add(&line, stage);
  lazaret_line_add(&line, ": ");
  lazaret_line_add_string(&line, command);
  lazaret_log(LAZARET_LOG_LEVEL_INFO, line.text);
}

// Commands that end in a verdict; false for the others.
static bool judge(lazaret_string_t command, lazaret_verdict_t *verdict) {
  if (is(command, "accept"))
    lazaret_accept(verdict);
  else if (is(command, "discard"))
    lazaret_discard(verdict);
  else if (is(command, "reject"))
    lazaret_reject(verdict, "told to reject");
  else if (is(command, "defer"))
    lazaret_defer(verdict, "told to defer");
  else if (is(command, "disconnect"))
    lazaret_disconnect(verdict, "told to disconnect");
  else if (is(command, "quarantine"))
    lazaret_quarantine(verdict, "told to quarantine");
  else if (is(command, "coded"))
    lazaret_reject_with(verdict, 554, "5.7.26", "told to use codes");
  else if (is(command, "random"))
    lazaret_reject(verdict, random_text());
  else if (is(command, "facts"))
    lazaret_reject(verdict, facts_line().text);
  else if (is(command, "errors"))
    lazaret_reject(verdict, errors());
  else if (is(command, "limit"))
    lazaret_reject(verdict, limit());
  else
    return false;
  return true;
}

void obey(const char *stage, lazaret_string_t command, lazaret_verdict_t *verdict) {
  lazaret_error_t ignored;
  log_command(stage, command);
  lazaret_continue(verdict);
  if (is(command, "continue") || judge(command, verdict))
    return;
  if (is(command, "trap"))
    abort();
  if (is(command, "hold")) {
    lazaret_pace_hold(300, &ignored);
  } else if (is(command, "edits")) {
    edits(stage);
  } else if (is(command, "report")) {
    facts_report();
  } else {
    lazaret_line_t line = {0};
    lazaret_line_add(&line, "unknown command ");
    lazaret_line_add_string(&line, command);
    lazaret_reject(verdict, line.text);
  }
}
