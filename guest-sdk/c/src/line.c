#include "lazaret_line.h"

#include <stdlib.h>
#include <string.h>

static void add(lazaret_line_t *line, const void *octets, size_t count) {
  if (line->space - line->length <= count) {
    size_t space = 2 * line->space + count + 64;
    char *text = realloc(line->text, space);
    if (text == NULL)
      abort();
    line->text = text;
    line->space = space;
  }
  memcpy(line->text + line->length, octets, count);
  line->length += count;
  line->text[line->length] = '\0';
}

void lazaret_line_add(lazaret_line_t *line, const char *text) { add(line, text, strlen(text)); }

void lazaret_line_add_string(lazaret_line_t *line, lazaret_string_t string) {
  // An empty text of the host has no address.
  if (string.len > 0)
    add(line, string.ptr, string.len);
}

void lazaret_line_add_number(lazaret_line_t *line, uint64_t number) {
  char digits[20];
  size_t start = sizeof digits;
  do {
    digits[--start] = (char)('0' + number % 10);
    number /= 10;
  } while (number > 0);
  add(line, digits + start, sizeof digits - start);
}

void lazaret_line_add_hex(lazaret_line_t *line, lazaret_list_u8_t octets) {
  static const char digits[] = "0123456789abcdef";
  for (size_t i = 0; i < octets.len; i++) {
    char pair[2] = {digits[octets.ptr[i] >> 4], digits[octets.ptr[i] & 15]};
    add(line, pair, 2);
  }
}

void lazaret_line_add_tenths(lazaret_line_t *line, double number) {
  double magnitude = number < 0 ? -number : number;
  uint64_t tenths = (uint64_t)(magnitude * 10 + 0.5);
  if (number < 0 && tenths > 0)
    lazaret_line_add(line, "-");
  lazaret_line_add_number(line, tenths / 10);
  lazaret_line_add(line, ".");
  lazaret_line_add_number(line, tenths % 10);
}

lazaret_string_t lazaret_line_string(const lazaret_line_t *line) {
  return (lazaret_string_t){.ptr = (uint8_t *)line->text, .len = line->length};
}
