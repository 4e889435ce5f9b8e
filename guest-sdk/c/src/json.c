#include "lazaret_json.h"

#include <stdlib.h>
#include <string.h>

lazaret_json_t lazaret_json(lazaret_string_t text) {
  return (lazaret_json_t){.at = text.ptr, .end = text.ptr + text.len};
}

// The next octet that is no blank; 0 at the end.
static uint8_t peek(lazaret_json_t *json) {
  while (!json->broken && json->at < json->end && strchr(" \t\r\n", *json->at) && *json->at)
    json->at++;
  return json->broken || json->at == json->end ? 0 : *json->at;
}

static bool take(lazaret_json_t *json, uint8_t octet) {
  if (octet == 0 || peek(json) != octet)
    return false;
  json->at++;
  return true;
}

static bool fail(lazaret_json_t *json) {
  json->broken = true;
  return false;
}

bool lazaret_json_object(lazaret_json_t *json) { return take(json, '{'); }

bool lazaret_json_list(lazaret_json_t *json) { return take(json, '['); }

bool lazaret_json_key(lazaret_json_t *json, lazaret_string_t *key) {
  take(json, ',');
  if (take(json, '}'))
    return false;
  return (lazaret_json_text(json, key) && take(json, ':')) || fail(json);
}

bool lazaret_json_next(lazaret_json_t *json) {
  take(json, ',');
  if (take(json, ']'))
    return false;
  return peek(json) != 0 || fail(json);
}

static int hex(uint8_t octet) {
  if (octet >= '0' && octet <= '9')
    return octet - '0';
  octet |= 0x20;
  return octet >= 'a' && octet <= 'f' ? octet - 'a' + 10 : -1;
}

// The four digits after \u; negative if they are none.
static int32_t unit(lazaret_json_t *json) {
  int32_t value = 0;
  for (int i = 0; i < 4; i++, json->at++) {
    int digit = json->at < json->end ? hex(*json->at) : -1;
    if (digit < 0)
      return -1;
    value = value << 4 | digit;
  }
  return value;
}

// A character beyond 16 bits is written as two units (RFC 8259 section 7).
static int32_t character(lazaret_json_t *json) {
  int32_t first = unit(json);
  if (first < 0xD800 || first > 0xDFFF)
    return first;
  if (first > 0xDBFF || json->end - json->at < 6 || memcmp(json->at, "\\u", 2) != 0)
    return -1;
  json->at += 2;
  int32_t second = unit(json);
  if (second < 0xDC00 || second > 0xDFFF)
    return -1;
  return 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
}

static uint8_t *put(uint8_t *to, int32_t character) {
  if (character < 0x80) {
    *to++ = (uint8_t)character;
  } else if (character < 0x800) {
    *to++ = (uint8_t)(0xC0 | character >> 6);
    *to++ = (uint8_t)(0x80 | (character & 0x3F));
  } else if (character < 0x10000) {
    *to++ = (uint8_t)(0xE0 | character >> 12);
    *to++ = (uint8_t)(0x80 | (character >> 6 & 0x3F));
    *to++ = (uint8_t)(0x80 | (character & 0x3F));
  } else {
    *to++ = (uint8_t)(0xF0 | character >> 18);
    *to++ = (uint8_t)(0x80 | (character >> 12 & 0x3F));
    *to++ = (uint8_t)(0x80 | (character >> 6 & 0x3F));
    *to++ = (uint8_t)(0x80 | (character & 0x3F));
  }
  return to;
}

// What a backslash and this octet stand for; 0 for nothing.
static uint8_t escaped(uint8_t octet) {
  static const char escapes[] = "\"\"\\\\//b\bf\fn\nr\rt\t";
  for (size_t i = 0; i + 1 < sizeof escapes; i += 2)
    if (escapes[i] == octet)
      return (uint8_t)escapes[i + 1];
  return 0;
}

// Reads a text to its closing quote. What it says goes to `to`, or nowhere if that is NULL; `len` is how much that is.
static bool unquote(lazaret_json_t *json, uint8_t *to, size_t *len) {
  if (!take(json, '"'))
    return false;
  *len = 0;
  while (json->at < json->end && *json->at != '"') {
    uint8_t octets[4] = {*json->at++};
    size_t count = 1;
    if (octets[0] == '\\') {
      uint8_t escape = json->at < json->end ? *json->at++ : 0;
      int32_t stands_for = escape == 'u' ? character(json) : escaped(escape);
      if (stands_for < 0 || (stands_for == 0 && escape != 'u'))
        return fail(json);
      count = (size_t)(put(octets, stands_for) - octets);
    }
    if (to != NULL)
      memcpy(to + *len, octets, count);
    *len += count;
  }
  return take(json, '"') || fail(json);
}

bool lazaret_json_text(lazaret_json_t *json, lazaret_string_t *text) {
  // Once to know how much memory it takes: the rest of the text may be large, and there may be many.
  lazaret_json_t ahead = *json;
  size_t len;
  if (!unquote(&ahead, NULL, &len)) {
    json->broken = ahead.broken;
    return false;
  }
  uint8_t *start = malloc(len + 1);
  if (start == NULL)
    abort();
  *text = (lazaret_string_t){.ptr = start, .len = len};
  return unquote(json, start, &len);
}

static bool is_digit(const lazaret_json_t *json) {
  return json->at < json->end && *json->at >= '0' && *json->at <= '9';
}

// Digits, each worth a tenth of the one before; returns how many.
static int digits(lazaret_json_t *json, double *number) {
  int count = 0;
  for (; is_digit(json); json->at++, count++)
    *number = *number * 10 + (*json->at - '0');
  return count;
}

static double scaled(double number, int exponent) {
  for (; exponent > 0 && number < 1e300; exponent--)
    number *= 10;
  for (; exponent < 0 && number > 0; exponent++)
    number /= 10;
  return number;
}

bool lazaret_json_number(lazaret_json_t *json, double *number) {
  uint8_t first = peek(json);
  if (first != '-' && (first < '0' || first > '9'))
    return false;
  json->at += first == '-';
  double value = 0, power = 0;
  if (digits(json, &value) == 0)
    return fail(json);
  int exponent = 0;
  if (json->at < json->end && *json->at == '.') {
    json->at++;
    exponent = -digits(json, &value);
  }
  if (json->at < json->end && (*json->at | 0x20) == 'e') {
    json->at++;
    bool negative = json->at < json->end && *json->at == '-';
    json->at += json->at < json->end && (*json->at == '-' || *json->at == '+');
    digits(json, &power);
    power = power > 1000 ? 1000 : power;
    exponent += negative ? -(int)power : (int)power;
  }
  value = scaled(value, exponent);
  *number = first == '-' ? -value : value;
  return true;
}

static bool word(lazaret_json_t *json, const char *word) {
  size_t length = strlen(word);
  if (peek(json) != (uint8_t)word[0] || (size_t)(json->end - json->at) < length ||
      memcmp(json->at, word, length) != 0)
    return false;
  json->at += length;
  return true;
}

bool lazaret_json_boolean(lazaret_json_t *json, bool *boolean) {
  *boolean = word(json, "true");
  return *boolean || word(json, "false");
}

void lazaret_json_skip(lazaret_json_t *json) {
  size_t length;
  double number;
  bool boolean;
  size_t depth = 0;
  do {
    if (take(json, '{') || take(json, '[')) {
      depth++;
    } else if (take(json, '}') || take(json, ']')) {
      if (depth-- == 0) {
        fail(json);
        return;
      }
    } else if (!take(json, ',') && !take(json, ':') && !unquote(json, NULL, &length) &&
               !lazaret_json_number(json, &number) && !lazaret_json_boolean(json, &boolean) && !word(json, "null")) {
      fail(json);
      return;
    }
  } while (depth > 0);
}
