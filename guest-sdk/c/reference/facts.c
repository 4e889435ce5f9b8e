// What the filter is told about the mail, in words.
#include "reference.h"

#include <string.h>

static void add_fact(lazaret_line_t *line, const char *word, bool known, lazaret_string_t fact) {
  lazaret_line_add(line, word);
  lazaret_line_add_string(line, known ? fact : lazaret_text("none"));
}

static void add_tls(lazaret_line_t *line) {
  lazaret_session_tls_info_t tls;
  if (!lazaret_session_tls(&tls)) {
    lazaret_line_add(line, " tls=none");
    return;
  }
  add_fact(line, " tls=", true, tls.version);
  add_fact(line, "/", tls.server_name.is_some, tls.server_name.val);
  add_fact(line, "/", tls.client_certificate.is_some, tls.client_certificate.val.subject);
}

// The mailbox, and each parameter as `;KEYWORD=VALUE`.
static void add_sender(lazaret_line_t *line) {
  lazaret_address_t sender;
  if (!lazaret_envelope_sender(&sender)) {
    lazaret_line_add(line, " sender=none");
    return;
  }
  add_fact(line, " sender=", true, sender.mailbox);
  for (size_t i = 0; i < sender.parameters.len; i++) {
    lazaret_parameter_t parameter = sender.parameters.ptr[i];
    add_fact(line, ";", true, parameter.keyword);
    if (parameter.value.is_some)
      add_fact(line, "=", true, parameter.value.val);
  }
}

static void add_recipients(lazaret_line_t *line) {
  lazaret_envelope_list_address_t recipients;
  lazaret_envelope_recipients(&recipients);
  lazaret_line_add(line, recipients.len == 0 ? " recipients=none" : " recipients=");
  for (size_t i = 0; i < recipients.len; i++)
    add_fact(line, i == 0 ? "" : ",", true, recipients.ptr[i].mailbox);
}

static void add_count(lazaret_line_t *line, const char *word, size_t count) {
  lazaret_line_add(line, word);
  lazaret_line_add_number(line, count);
}

static void add_fields(lazaret_line_t *line) {
  lazaret_headers_list_field_t fields;
  lazaret_headers_all(&fields);
  size_t raw = 0;
  for (size_t i = 0; i < fields.len; i++)
    raw += fields.ptr[i].value.len;
  add_count(line, " fields=", fields.len);
  add_count(line, " raw=", raw);
}

lazaret_line_t facts_line(void) {
  lazaret_line_t line = {0};
  lazaret_string_t text;
  lazaret_session_client_info_t client;
  lazaret_session_listener(&text);
  add_fact(&line, "listener=", true, text);
  lazaret_session_client(&client);
  add_fact(&line, " client=", true, client.address);
  add_fact(&line, " name=", client.name.is_some, client.name.val);
  bool known = lazaret_session_hello(&text);
  add_fact(&line, " hello=", known, text);
  add_tls(&line);
  known = lazaret_session_user(&text);
  add_fact(&line, " user=", known, text);
  lazaret_line_add(&line, lazaret_session_early_talker() ? " early=true" : " early=false");
  add_sender(&line);
  add_recipients(&line);
  add_fields(&line);
  add_count(&line, " size=", lazaret_body_size());
  add_count(&line, " calls=", reference.calls);
  return line;
}

// Each of these writes a value, or answers false with the error.

static bool body(lazaret_line_t *line, lazaret_error_t *error) {
  uint32_t octets = 0, lines = 0;
  lazaret_list_u8_t chunk;
  do {
    if (!lazaret_body_read(octets, 65536, &chunk, error))
      return false;
    for (size_t i = 0; i < chunk.len; i++)
      lines += chunk.ptr[i] == '\n';
    octets += (uint32_t)chunk.len;
    lazaret_list_u8_free(&chunk);
  } while (chunk.len > 0);
  add_count(line, "", octets);
  add_count(line, " octets, ", lines);
  lazaret_line_add(line, " lines");
  return true;
}

static void add_part(lazaret_line_t *line, const lazaret_parts_part_t *part) {
  add_count(line, line->length > 0 ? " " : "", part->index);
  if (part->parent.is_some)
    add_count(line, ":", part->parent.val);
  else
    lazaret_line_add(line, ":none");
  add_fact(line, ":", true, part->content_type);
  add_fact(line, ":", part->name.is_some, part->name.val);
  add_count(line, part->attachment ? ":attachment:" : ":inline:", part->size);
  lazaret_string_t digest = part->sha256;
  digest.len = digest.len < 8 ? digest.len : 8;
  add_fact(line, ":", true, digest);
}

static bool parts(lazaret_line_t *line, lazaret_error_t *error) {
  lazaret_parts_list_part_t all;
  if (!lazaret_parts_all(&all, error))
    return false;
  for (size_t i = 0; i < all.len; i++)
    add_part(line, &all.ptr[i]);
  return true;
}

// The first line of the first text in the message.
static bool text(lazaret_line_t *line, lazaret_error_t *error) {
  lazaret_parts_list_part_t all;
  if (!lazaret_parts_all(&all, error))
    return false;
  for (size_t i = 0; i < all.len; i++) {
    lazaret_string_t type = all.ptr[i].content_type, text;
    if (type.len < 5 || memcmp(type.ptr, "text/", 5) != 0)
      continue;
    if (!lazaret_parts_text(all.ptr[i].index, &text, error))
      return false;
    size_t end = 0;
    while (end < text.len && text.ptr[end] != '\r' && text.ptr[end] != '\n')
      end++;
    text.len = end;
    lazaret_line_add_string(line, text);
    return true;
  }
  lazaret_line_add(line, "none");
  return true;
}

static bool score(lazaret_line_t *line, lazaret_error_t *error) {
  double total;
  lazaret_score_list_entry_t all;
  if (!lazaret_score_total(&total, error) || !lazaret_score_all(&all, error))
    return false;
  lazaret_line_add_tenths(line, total);
  for (size_t i = 0; i < all.len; i++) {
    add_fact(line, " ", true, all.ptr[i].filter);
    add_fact(line, ":", true, all.ptr[i].symbol);
    lazaret_line_add(line, ":");
    lazaret_line_add_tenths(line, all.ptr[i].points);
    add_fact(line, " (", true, all.ptr[i].why);
    lazaret_line_add(line, ")");
  }
  return true;
}

static bool note(lazaret_line_t *line, lazaret_error_t *error) {
  lazaret_string_t filter = lazaret_text("reference"), key = lazaret_text("client");
  lazaret_option_string_t note;
  if (!lazaret_notes_get(&filter, &key, &note, error))
    return false;
  add_fact(line, "", note.is_some, note.val);
  return true;
}

static bool facts(lazaret_line_t *line, lazaret_error_t *error) {
  (void)error;
  *line = facts_line();
  return true;
}

static void add_field(const char *name, bool (*value)(lazaret_line_t *, lazaret_error_t *)) {
  lazaret_line_t line = {0};
  lazaret_error_t error;
  if (!value(&line, &error)) {
    line = (lazaret_line_t){0};
    lazaret_line_add(&line, lazaret_error_name(error));
  }
  lazaret_string_t field = lazaret_text(name), text = lazaret_line_string(&line);
  lazaret_edit_headers_add(&field, &text, &error);
}

void facts_report(void) {
  add_field("X-Reference-Facts", facts);
  add_field("X-Reference-Body", body);
  add_field("X-Reference-Parts", parts);
  add_field("X-Reference-Text", text);
  add_field("X-Reference-Score", score);
  add_field("X-Reference-Note", note);
}
