// What `json.c` makes of a text, and how much memory it takes for it. Built for this machine and run by `tool/tests`.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Octets that were asked for.
static size_t taken;

static void *counted(size_t octets) {
  taken += octets;
  return malloc(octets);
}

#define malloc counted
#include "../src/json.c"
#undef malloc

static void expect(bool holds, const char *what) {
  if (holds)
    return;
  fprintf(stderr, "not so: %s\n", what);
  exit(1);
}

static lazaret_json_t json(const char *text) {
  return lazaret_json((lazaret_string_t){.ptr = (uint8_t *)text, .len = strlen(text)});
}

// Does this text say so?
static bool says(const char *text, const char *words) {
  lazaret_json_t config = json(text);
  lazaret_string_t said;
  return lazaret_json_text(&config, &said) && config.at == config.end && said.len == strlen(words) &&
         memcmp(said.ptr, words, said.len) == 0;
}

static bool is_broken(const char *text) {
  lazaret_json_t config = json(text);
  lazaret_string_t said;
  return !lazaret_json_text(&config, &said) && config.broken;
}

static void texts(void) {
  expect(says("\"\"", ""), "an empty text");
  expect(says(" \"example.org\"", "example.org"), "a text behind a blank");
  expect(says("\"a\\\"b\\\\\"", "a\"b\\"), "a quote and a backslash, escaped");
  expect(says("\"\\u00fc\\u20ac\\ud83d\\ude00\"", "\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80"),
         "characters by their numbers");
  expect(is_broken("\"no end"), "a text without an end is none");
  expect(is_broken("\"no end\\\""), "an escaped quote ends no text");
  expect(is_broken("\"no end\\"), "nor does a backslash");
  expect(is_broken("\"\\x\""), "an escape that there is not");
  expect(is_broken("\"\\ud83d\""), "half of a character");
  lazaret_json_t number = json("1");
  lazaret_string_t said;
  expect(!lazaret_json_text(&number, &said) && !number.broken, "a number is no text, and may be read as one");
}

enum { DOMAINS = 10000 };

// `{"domains": ["0.example.org", ...]}`
static char *many(size_t *octets) {
  char *text = malloc(DOMAINS * 32), *to = text;
  if (text == NULL)
    abort();
  *octets = 0;
  to += sprintf(to, "{\"domains\": [");
  for (int i = 0; i < DOMAINS; i++) {
    int length = sprintf(to, "%s\"%d.example.org\"", i == 0 ? "" : ", ", i);
    *octets += (size_t)(length - 2 - (i == 0 ? 0 : 2));
    to += length;
  }
  sprintf(to, "]}");
  return text;
}

static void memory(void) {
  size_t octets;
  char *text = many(&octets);
  lazaret_json_t config = json(text);
  lazaret_string_t key, domain;
  taken = 0;
  expect(lazaret_json_object(&config) && lazaret_json_key(&config, &key), "an object with a key");
  lazaret_json_t value = config;
  expect(taken <= strlen("domains") + 1, "a key takes what it needs");
  taken = 0;
  size_t count = 0;
  for (lazaret_json_list(&config); lazaret_json_next(&config); count++)
    expect(lazaret_json_text(&config, &domain), "a domain");
  expect(count == DOMAINS && !lazaret_json_key(&config, &key) && !config.broken, "all of them are read");
  expect(taken <= octets + DOMAINS, "texts take what they need");
  taken = 0;
  lazaret_json_skip(&value);
  expect(taken == 0, "what is skipped takes nothing");
  expect(!lazaret_json_key(&value, &key) && !value.broken, "and all of it is passed over");
  free(text);
}

int main(void) {
  texts();
  memory();
  return 0;
}
