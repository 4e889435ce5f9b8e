// Reading `[config]`, which comes as JSON (RFC 8259), from left to right. Nothing is read past the end of the text,
// whatever is in it.
#ifndef LAZARET_JSON_H
#define LAZARET_JSON_H

#include "lazaret.h"

typedef struct lazaret_json_t {
  const uint8_t *at;
  const uint8_t *end;
  // not JSON: from here on every function says false
  bool broken;
} lazaret_json_t;

lazaret_json_t lazaret_json(lazaret_string_t text);

// Enters an object or a list. False, and nothing is read, if the value is something else.
bool lazaret_json_object(lazaret_json_t *json);
bool lazaret_json_list(lazaret_json_t *json);

// The next key of the object that was entered; its value must be read or skipped before the next. False at the end.
bool lazaret_json_key(lazaret_json_t *json, lazaret_string_t *key);

// Is there another value in the list that was entered? It must be read or skipped before the next. False at the end.
bool lazaret_json_next(lazaret_json_t *json);

// A value. False, and nothing is read, if it is something else. Texts are allocated.
bool lazaret_json_text(lazaret_json_t *json, lazaret_string_t *text);
bool lazaret_json_number(lazaret_json_t *json, double *number);
bool lazaret_json_boolean(lazaret_json_t *json, bool *boolean);

// Any value.
void lazaret_json_skip(lazaret_json_t *json);

#endif
