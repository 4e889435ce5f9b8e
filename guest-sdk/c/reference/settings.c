// The `[config]` table.
#include "lazaret_json.h"
#include "reference.h"

#include <stdlib.h>

// A list of texts; false if it is anything else.
static bool read_texts(lazaret_json_t *json, lazaret_list_string_t *texts) {
  size_t space = 0;
  *texts = (lazaret_list_string_t){0};
  if (!lazaret_json_list(json))
    return false;
  while (lazaret_json_next(json)) {
    if (texts->len == space) {
      space = 2 * space + 16;
      texts->ptr = realloc(texts->ptr, space * sizeof *texts->ptr);
      if (texts->ptr == NULL)
        abort();
    }
    if (!lazaret_json_text(json, &texts->ptr[texts->len]))
      return false;
    texts->len++;
  }
  return !json->broken;
}

// What is wrong with the value of this key; NULL if nothing is.
static const char *read_key(lazaret_json_t *json, lazaret_string_t key) {
  if (is(key, "domains")) {
    if (!read_texts(json, &reference.domains))
      return "`domains` must be a list of texts";
    return reference.domains.len == 0 ? "`domains` is empty: name at least one" : NULL;
  }
  if (is(key, "points"))
    return lazaret_json_number(json, &reference.points) ? NULL : "`points` must be a number";
  lazaret_line_t problem = {0};
  lazaret_line_add(&problem, "unknown key `");
  lazaret_line_add_string(&problem, key);
  lazaret_line_add(&problem, "`: there are `domains` and `points`");
  return problem.text;
}

bool settings_read(lazaret_string_t config, lazaret_string_t *problem) {
  lazaret_json_t json = lazaret_json(config);
  lazaret_string_t key;
  const char *wrong = lazaret_json_object(&json) ? NULL : "[config] is no table";
  while (wrong == NULL && lazaret_json_key(&json, &key))
    wrong = read_key(&json, key);
  if (wrong == NULL && reference.domains.len == 0)
    wrong = "`domains` is missing: list the domains to score";
  if (wrong != NULL)
    *problem = lazaret_text(wrong);
  return wrong == NULL;
}
