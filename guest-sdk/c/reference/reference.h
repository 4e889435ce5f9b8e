// What the files of the reference filter share.
#ifndef REFERENCE_H
#define REFERENCE_H

#include "lazaret_line.h"
#include "lazaret_verdict.h"

// Settings, and what a sandbox remembers: all of it is gone with the transaction, but what `configure` wrote is there in
// every sandbox.
typedef struct reference_t {
  lazaret_list_string_t domains;
  double points;
  // what `notes.get` answered in `configure`
  const char *configuring;
  // how often this sandbox was asked
  unsigned calls;
} reference_t;

extern reference_t reference;

// settings.c: false, and why, if the settings are wrong.
bool settings_read(lazaret_string_t config, lazaret_string_t *problem);

// commands.c: does what it is told.
void obey(const char *stage, lazaret_string_t command, lazaret_verdict_t *verdict);

// facts.c: everything on one line; fields that say what was found.
lazaret_line_t facts_line(void);
void facts_report(void);

// Is it this constant?
bool is(lazaret_string_t string, const char *constant);

// `ok`, or the error by its name in the contract.
const char *answer(bool ok, lazaret_error_t error);

#endif
