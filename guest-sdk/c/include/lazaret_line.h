// A text that grows. Memory is not given back: the sandbox goes with the transaction.
#ifndef LAZARET_LINE_H
#define LAZARET_LINE_H

#include "lazaret.h"

// Begins as `{0}`. `text` is always terminated once something was added.
typedef struct lazaret_line_t {
  char *text;
  size_t length;
  size_t space;
} lazaret_line_t;

// Adds a constant, a text of the host, a number in decimal, octets as hex digits. Without memory the filter traps.
void lazaret_line_add(lazaret_line_t *line, const char *text);
void lazaret_line_add_string(lazaret_line_t *line, lazaret_string_t string);
void lazaret_line_add_number(lazaret_line_t *line, uint64_t number);
void lazaret_line_add_hex(lazaret_line_t *line, lazaret_list_u8_t octets);

// Adds a number with one decimal, rounded; magnitudes over 1e15 are not meant.
void lazaret_line_add_tenths(lazaret_line_t *line, double number);

// The whole as a text for the host, not copied.
lazaret_string_t lazaret_line_string(const lazaret_line_t *line);

#endif
