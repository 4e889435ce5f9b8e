// Made of the contract in wit/ by guest-sdk/c/tool with wit-bindgen 0.61.1. Do not edit.
#ifndef __BINDINGS_LAZARET_H
#define __BINDINGS_LAZARET_H
#ifdef __cplusplus
extern "C" {
#endif

#include <stdint.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct lazaret_string_t {
  uint8_t*ptr;
  size_t len;
} lazaret_string_t;

typedef struct {
  bool is_some;
  lazaret_string_t val;
} lazaret_option_string_t;

typedef struct lazaret_session_client_info_t {
  // IPv4 or IPv6 in its canonical text form; an IPv4-mapped IPv6 address is shown as IPv4
  lazaret_string_t   address;
  uint16_t   port;
  // PTR name, confirmed forward, in lower case; only for filters that were granted `session:name`, for whom it is
  // resolved when the first of them asks. None otherwise, and where there is no such name.
  lazaret_option_string_t   name;
} lazaret_session_client_info_t;

// The client's certificate; `sha256` is of its DER form, in lower case hex; `verified` by the roots we are configured
// with. Without `verified` all else is the client's own word.
typedef struct lazaret_session_certificate_t {
  lazaret_string_t   subject;
  lazaret_string_t   issuer;
  lazaret_string_t   sha256;
  bool   verified;
} lazaret_session_certificate_t;

typedef struct {
  bool is_some;
  lazaret_session_certificate_t val;
} lazaret_session_option_certificate_t;

// `version` as in "TLSv1.3", `cipher` by its IANA name, `server-name` as the client asked for it.
typedef struct lazaret_session_tls_info_t {
  lazaret_string_t   version;
  lazaret_string_t   cipher;
  lazaret_option_string_t   server_name;
  lazaret_session_option_certificate_t   client_certificate;
} lazaret_session_tls_info_t;

typedef struct {
  bool is_some;
  lazaret_session_tls_info_t val;
} lazaret_session_option_tls_info_t;

typedef struct {
  bool is_some;
  uint16_t val;
} lazaret_option_u16_t;

// What the client is told. The host checks it: the class of `code` must fit the verdict (5xx for reject; 4xx for defer,
// 421 only at connect; 4xx for disconnect, at connect also 5xx), `text` is printable US-ASCII, at most ten lines and
// 400 octets together. What does not fit is replaced by the host's own and counted: for one octet too many, or one that
// is not ASCII, the host's own words stand in place of the whole text. The host adds the session's id at the end. Texts
// over 1 MiB are a failure of the filter.
typedef struct lazaret_reply_t {
  // e.g. 550; none = the host's default for the stage and verdict
  lazaret_option_u16_t   code;
  // e.g. "5.7.1"; none, or one that does not fit the code = the host's default
  lazaret_option_string_t   enhanced;
  // shown to the sender of the mail, who may be an attacker: no secrets, no addresses of others
  lazaret_string_t   text;
} lazaret_reply_t;

// What a filter says at a stage. Only `continue`, `reject` and `defer` are granted by default (`verdicts` in the
// filter's TOML). A verdict that is not granted, or not allowed at the stage, counts as `continue`, is counted and
// logged.
typedef struct lazaret_verdict_t {
  uint8_t tag;
  union {
    lazaret_reply_t     reject;
    lazaret_reply_t     defer;
    lazaret_string_t     quarantine;
    lazaret_reply_t     disconnect;
  } val;
} lazaret_verdict_t;

// no objection; the next filter is asked
#define LAZARET_VERDICT_CONTINUE 0
// No objection, and no later filter is asked: at rcpt about this recipient, at mail, headers and message in
// this transaction, at connect and auth in this session, at hello until the next hello.
#define LAZARET_VERDICT_ACCEPT 1
// refuse for good (5xx)
#define LAZARET_VERDICT_REJECT 2
// refuse for now (4xx); an honest client comes again
#define LAZARET_VERDICT_DEFER 3
// tell the client 250, deliver to nobody; one log line holds all facts
#define LAZARET_VERDICT_DISCARD 4
// tell the client 250 once the message is safe in the quarantine; the string is the reason kept with it, made
// printable, at most 400 characters
#define LAZARET_VERDICT_QUARANTINE 5
// reply and close the connection
#define LAZARET_VERDICT_DISCONNECT 6

// An ESMTP parameter of MAIL or RCPT, e.g. SIZE=1000, as the client wrote it: compare keywords without case.
typedef struct lazaret_parameter_t {
  lazaret_string_t   keyword;
  lazaret_option_string_t   value;
} lazaret_parameter_t;

typedef struct {
  lazaret_parameter_t *ptr;
  size_t len;
} lazaret_list_parameter_t;

// A path of the envelope, valid by RFC 5321 (or RFC 6531 where the client said SMTPUTF8), without controls.
// `mailbox` is empty for the null sender `<>`. `local-part` has the quotes and backslashes that it needs and no others:
// `"ann"@example.org` is told as `ann@example.org`, the same mailbox. `domain` keeps its case and, for a literal, its
// brackets; it is empty for `<>` and for a bare `postmaster`. The backend gets what the client wrote.
typedef struct lazaret_address_t {
  lazaret_string_t   mailbox;
  lazaret_string_t   local_part;
  lazaret_string_t   domain;
  lazaret_list_parameter_t   parameters;
} lazaret_address_t;

// Why a function did nothing. None of them ends the call: the filter decides what to do without.
typedef uint8_t lazaret_error_t;

// the filter's TOML names this permission under `deny`, or grants it more narrowly
#define LAZARET_ERROR_NOT_GRANTED 0
// not available at this stage (or in `configure`)
#define LAZARET_ERROR_NOT_NOW 1
// a cap of this filter is used up
#define LAZARET_ERROR_LIMIT 2
// the service behind it does not answer, or the host has no room for it now
#define LAZARET_ERROR_UNAVAILABLE 3
// the argument is not acceptable; nothing was done
#define LAZARET_ERROR_INVALID 4

typedef struct {
  bool is_some;
  lazaret_address_t val;
} lazaret_envelope_option_address_t;

typedef struct {
  lazaret_address_t *ptr;
  size_t len;
} lazaret_envelope_list_address_t;

typedef struct {
  uint8_t *ptr;
  size_t len;
} lazaret_list_u8_t;

// A field as it was received: `value` is everything after the colon, folding included, without the last CRLF. A line
// that is not a field (no colon, no proper name, or a first line that starts with a blank) has an empty name.
typedef struct lazaret_headers_field_t {
  lazaret_string_t   name;
  lazaret_list_u8_t   value;
} lazaret_headers_field_t;

typedef struct {
  lazaret_headers_field_t *ptr;
  size_t len;
} lazaret_headers_list_field_t;

typedef struct {
  lazaret_string_t *ptr;
  size_t len;
} lazaret_list_string_t;

typedef struct {
  bool is_err;
  union {
    lazaret_list_u8_t ok;
    lazaret_error_t err;
  } val;
} lazaret_body_result_list_u8_error_t;

typedef struct {
  bool is_some;
  uint32_t val;
} lazaret_option_u32_t;

typedef struct lazaret_parts_part_t {
  // from 0, the message itself; parts come in the order of their octets, each after the one that holds it
  uint32_t   index;
  // none for the message itself
  lazaret_option_u32_t   parent;
  // lower case, e.g. "text/html"; "text/plain" where the message says nothing
  lazaret_string_t   content_type;
  // file name of Content-Disposition, else the name of Content-Type, decoded, else that of a uuencoded body; of
  // several the one whose extension looks least harmless; may hold anything but controls
  lazaret_option_string_t   name;
  // Content-Disposition says so
  bool   attachment;
  // octets after transfer decoding; 0 for a multipart that has parts
  uint32_t   size;
  // hex, of the decoded octets
  lazaret_string_t   sha256;
} lazaret_parts_part_t;

typedef struct {
  lazaret_parts_part_t *ptr;
  size_t len;
} lazaret_parts_list_part_t;

typedef struct {
  bool is_err;
  union {
    lazaret_parts_list_part_t ok;
    lazaret_error_t err;
  } val;
} lazaret_parts_result_list_part_error_t;

typedef struct {
  bool is_err;
  union {
    lazaret_list_u8_t ok;
    lazaret_error_t err;
  } val;
} lazaret_parts_result_list_u8_error_t;

typedef struct {
  bool is_err;
  union {
    lazaret_string_t ok;
    lazaret_error_t err;
  } val;
} lazaret_parts_result_string_error_t;

typedef struct {
  bool is_err;
  union {
    lazaret_error_t err;
  } val;
} lazaret_edit_headers_result_void_error_t;

typedef struct {
  bool is_err;
  union {
    uint32_t ok;
    lazaret_error_t err;
  } val;
} lazaret_edit_headers_result_u32_error_t;

// What one filter gave once, and why.
typedef struct lazaret_score_entry_t {
  lazaret_string_t   filter;
  lazaret_string_t   symbol;
  double   points;
  lazaret_string_t   why;
} lazaret_score_entry_t;

typedef struct {
  bool is_err;
  union {
    lazaret_error_t err;
  } val;
} lazaret_score_result_void_error_t;

typedef struct {
  bool is_err;
  union {
    double ok;
    lazaret_error_t err;
  } val;
} lazaret_score_result_f64_error_t;

typedef struct {
  lazaret_score_entry_t *ptr;
  size_t len;
} lazaret_score_list_entry_t;

typedef struct {
  bool is_err;
  union {
    lazaret_score_list_entry_t ok;
    lazaret_error_t err;
  } val;
} lazaret_score_result_list_entry_error_t;

typedef uint8_t lazaret_notes_scope_t;

#define LAZARET_NOTES_SCOPE_CONNECTION 0
#define LAZARET_NOTES_SCOPE_TRANSACTION 1

typedef struct {
  bool is_err;
  union {
    lazaret_error_t err;
  } val;
} lazaret_notes_result_void_error_t;

typedef struct {
  bool is_err;
  union {
    lazaret_option_string_t ok;
    lazaret_error_t err;
  } val;
} lazaret_notes_result_option_string_error_t;

typedef struct {
  bool is_err;
  union {
    lazaret_error_t err;
  } val;
} lazaret_pace_result_void_error_t;

typedef uint8_t lazaret_log_level_t;

#define LAZARET_LOG_LEVEL_DEBUG 0
#define LAZARET_LOG_LEVEL_INFO 1
#define LAZARET_LOG_LEVEL_WARN 2
#define LAZARET_LOG_LEVEL_ERROR 3

// For `ptr` the name of the query is an IP address, and the grant is asked about its name under in-addr.arpa or ip6.arpa.
typedef uint8_t lazaret_dns_kind_t;

#define LAZARET_DNS_KIND_A 0
#define LAZARET_DNS_KIND_AAAA 1
#define LAZARET_DNS_KIND_MX 2
#define LAZARET_DNS_KIND_TXT 3
#define LAZARET_DNS_KIND_PTR 4

typedef struct lazaret_dns_query_t {
  lazaret_string_t   name;
  lazaret_dns_kind_t   kind;
} lazaret_dns_query_t;

typedef struct lazaret_dns_answer_t {
  uint8_t tag;
  union {
    lazaret_list_string_t     records;
  } val;
} lazaret_dns_answer_t;

// At least one. Addresses as text; `ptr` and `mx` in lower case without the last dot, `mx` with its preference
// before it, as in "10 mail.example.org"; `txt` with its strings joined, octets outside ASCII as U+FFFD unless
// they are UTF-8. CNAMEs are followed.
#define LAZARET_DNS_ANSWER_RECORDS 0
// the name does not exist (NXDOMAIN)
#define LAZARET_DNS_ANSWER_NO_NAME 1
// the name exists, with no record of that kind
#define LAZARET_DNS_ANSWER_NO_DATA 2
// SERVFAIL, REFUSED, a loop of CNAMEs, nonsense
#define LAZARET_DNS_ANSWER_FAILED 3
// no answer in time
#define LAZARET_DNS_ANSWER_LATE 4

typedef struct {
  bool is_err;
  union {
    lazaret_dns_answer_t ok;
    lazaret_error_t err;
  } val;
} lazaret_dns_result_answer_error_t;

typedef struct {
  lazaret_dns_query_t *ptr;
  size_t len;
} lazaret_dns_list_query_t;

typedef struct {
  lazaret_dns_answer_t *ptr;
  size_t len;
} lazaret_dns_list_answer_t;

typedef struct {
  bool is_err;
  union {
    lazaret_dns_list_answer_t ok;
    lazaret_error_t err;
  } val;
} lazaret_dns_result_list_answer_error_t;

typedef struct {
  bool is_some;
  lazaret_list_u8_t val;
} lazaret_option_list_u8_t;

typedef struct {
  bool is_err;
  union {
    lazaret_option_list_u8_t ok;
    lazaret_error_t err;
  } val;
} lazaret_state_result_option_list_u8_error_t;

typedef struct {
  bool is_err;
  union {
    lazaret_error_t err;
  } val;
} lazaret_state_result_void_error_t;

typedef struct {
  bool is_err;
  union {
    bool ok;
    lazaret_error_t err;
  } val;
} lazaret_state_result_bool_error_t;

typedef struct {
  bool is_err;
  union {
    int32_t ok;
    lazaret_error_t err;
  } val;
} lazaret_state_result_s32_error_t;

typedef struct lazaret_http_field_t {
  lazaret_string_t   name;
  lazaret_string_t   value;
} lazaret_http_field_t;

typedef struct lazaret_http_content_t {
  uint8_t tag;
  union {
    lazaret_list_u8_t     octets;
  } val;
} lazaret_http_content_t;

#define LAZARET_HTTP_CONTENT_NONE 0
#define LAZARET_HTTP_CONTENT_OCTETS 1
// The whole message as now edited, straight from the spool; `not-granted` without the permission `body`, `not-now`
// where `body.read` says so.
#define LAZARET_HTTP_CONTENT_MESSAGE 2

typedef struct {
  lazaret_http_field_t *ptr;
  size_t len;
} lazaret_http_list_field_t;

// `verb` is GET, POST, PUT or HEAD; `url` is absolute
typedef struct lazaret_http_request_t {
  lazaret_string_t   verb;
  lazaret_string_t   url;
  lazaret_http_list_field_t   fields;
  lazaret_http_content_t   content;
} lazaret_http_request_t;

typedef struct lazaret_http_response_t {
  uint16_t   status;
  lazaret_http_list_field_t   fields;
  lazaret_list_u8_t   content;
} lazaret_http_response_t;

typedef struct {
  bool is_err;
  union {
    lazaret_http_response_t ok;
    lazaret_error_t err;
  } val;
} lazaret_http_result_response_error_t;

typedef struct {
  bool is_err;
  union {
    bool ok;
    lazaret_error_t err;
  } val;
} lazaret_lists_result_bool_error_t;

typedef struct {
  bool is_err;
  union {
    lazaret_option_string_t ok;
    lazaret_error_t err;
  } val;
} lazaret_lists_result_option_string_error_t;

typedef struct {
  bool is_err;
  union {
    lazaret_error_t err;
  } val;
} lazaret_metrics_result_void_error_t;

typedef struct {
  bool is_err;
  union {
    lazaret_string_t err;
  } val;
} lazaret_result_void_string_t;

typedef struct lazaret_outcome_t {
  // the code and text the client got
  uint16_t   code;
  lazaret_string_t   text;
  // the filter that decided, if one did
  lazaret_option_string_t   decided_by;
  // the backend's queue id, when its reply shows one
  lazaret_option_string_t   queue_id;
} lazaret_outcome_t;

// Imported Functions from `lazaret:filter/session@0.1.0`
// short id of this connection, as in the log and in our replies
extern void lazaret_session_id(lazaret_string_t *ret);
// name of the listener in the configuration
extern void lazaret_session_listener(lazaret_string_t *ret);
// who connected; behind a trusted PROXY header or XCLIENT, who that says it is
extern void lazaret_session_client(lazaret_session_client_info_t *ret);
// what the client said in EHLO or HELO; none before that, and again none after STARTTLS
extern bool lazaret_session_hello(lazaret_string_t *ret);
// none on a connection without TLS
extern bool lazaret_session_tls(lazaret_session_tls_info_t *ret);
// the name the backend accepted in AUTH; none before that
extern bool lazaret_session_user(lazaret_string_t *ret);
// the client spoke before our greeting
extern bool lazaret_session_early_talker(void);

// Imported Functions from `lazaret:filter/envelope@0.1.0`
// none before MAIL
extern bool lazaret_envelope_sender(lazaret_address_t *ret);
// recipients accepted so far in this transaction, in order; empty before the first. At rcpt the one that is asked
// about is not among them.
extern void lazaret_envelope_recipients(lazaret_envelope_list_address_t *ret);

// Imported Functions from `lazaret:filter/headers@0.1.0`
// all fields from top to bottom
extern void lazaret_headers_all(lazaret_headers_list_field_t *ret);
// Values of the fields of that name (any case), unfolded, RFC 2047 decoded, in order; empty when there is none, also
// for a name that no field can have.
extern void lazaret_headers_text(lazaret_string_t *name, lazaret_list_string_t *ret);

// Imported Functions from `lazaret:filter/body@0.1.0`
// 0 at stages other than message and when denied; 4294967295 for messages that are larger still
extern uint32_t lazaret_body_size(void);
// At most 64 KiB a call, whatever `length` says; short at the end; empty past it. `not-now` at stages other
// than message; `limit` when all reads of this call reach 1 GiB; `unavailable` when the spool cannot be read.
extern bool lazaret_body_read(uint32_t offset, uint32_t length, lazaret_list_u8_t *ret, lazaret_error_t *err);

// Imported Functions from `lazaret:filter/parts@0.1.0`
// error `limit` when the message exceeds the host's depth or part budget, or is built so that mail programs see
// different parts in it, or names of which two may be programs: judge it as unparsed; `limit` also when all reads of
// this call reach 1 GiB, of which each part in the list takes 256 octets; `unavailable` when the host has no memory left
// for it now, or cannot read the spool: defer
extern bool lazaret_parts_all(lazaret_parts_list_part_t *ret, lazaret_error_t *err);
// decoded octets, at most 64 KiB a call, short at the end, empty past it; `invalid` when there is no such part, `limit`
// when all reads of this call reach 1 GiB, else the errors of `all`
extern bool lazaret_parts_read(uint32_t part, uint32_t offset, uint32_t length, lazaret_list_u8_t *ret, lazaret_error_t *err);
// Text parts as UTF-8, what cannot be decoded as U+FFFD. `invalid` when there is no such part or it is not text/*,
// `limit` over 8 MiB of decoded octets and when all reads of this call reach 1 GiB, else the errors of `all`.
extern bool lazaret_parts_text(uint32_t part, lazaret_string_t *ret, lazaret_error_t *err);

// Imported Functions from `lazaret:filter/edit-headers@0.1.0`
// on top of the header section; the host folds and encodes
extern bool lazaret_edit_headers_add(lazaret_string_t *name, lazaret_string_t *value, lazaret_error_t *err);
// the nth field of that name, from 0; `invalid` when there is none
extern bool lazaret_edit_headers_replace(lazaret_string_t *name, uint32_t nth, lazaret_string_t *value, lazaret_error_t *err);
// one, or all of that name; returns how many, 0 when there is none
extern bool lazaret_edit_headers_remove(lazaret_string_t *name, uint32_t *maybe_nth, uint32_t *ret, lazaret_error_t *err);

// Imported Functions from `lazaret:filter/score@0.1.0`
// At mail, rcpt, headers and message; `not-now` elsewhere. `symbol` is 1 to 64 letters, digits, `-`, `_` and `.`; `why`
// is at most 200 octets without controls; `points` is a number: else `invalid`. `not-granted` when this filter's sum in
// the transaction would leave the bounds of its grant; `limit` after 100 entries of a call.
extern bool lazaret_score_add(lazaret_string_t *symbol, double points, lazaret_string_t *why, lazaret_error_t *err);
// points of all filters so far, those of this call included; `not-now` in `configure`
extern bool lazaret_score_total(double *ret, lazaret_error_t *err);
// The entries behind `total`, oldest first, at most 1000 (later ones count in `total` alone). `not-now` in `configure`;
// `limit` when all reads of this call reach 1 GiB.
extern bool lazaret_score_all(lazaret_score_list_entry_t *ret, lazaret_error_t *err);

// Imported Functions from `lazaret:filter/notes@0.1.0`
// Replaces a note of the same key and scope. `key` is 1 to 64 letters, digits, `-`, `_` and `.`; `value` is at most 1 KiB:
// else `invalid`. `not-now` for observers, in `configure`, and for the scope transaction before mail; `limit` after 32
// notes of a call, and where a connection has 1,024, those of all filters and of its transaction together (of filters asked at
// once each may hear ok, and the last of them is not written).
extern bool lazaret_notes_set(lazaret_notes_scope_t scope, lazaret_string_t *key, lazaret_string_t *value, lazaret_error_t *err);
// The note that the filter of that name left; a transaction's hides a connection's. None when there is none, also for a
// name or a key that none can have. `not-now` in `configure`.
extern bool lazaret_notes_get(lazaret_string_t *filter, lazaret_string_t *key, lazaret_option_string_t *ret, lazaret_error_t *err);

// Imported Functions from `lazaret:filter/pace@0.1.0`
// Adds to the sum; what is over 30 s is cut without an error. `not-now` for observers and in `configure`.
extern bool lazaret_pace_hold(uint32_t milliseconds, lazaret_error_t *err);

// Imported Functions from `lazaret:filter/log@0.1.0`
// One line under the filter's name, at every stage and in `configure`. Control characters are escaped, what is over
// 1024 octets is cut, lines after the 100th of a call are dropped. stdout and stderr end up here as well.
extern void lazaret_log_write(lazaret_log_level_t level, lazaret_string_t *message);

// Imported Functions from `lazaret:filter/entropy@0.1.0`
// from the system, at every stage and in `configure`; at most 4096 octets, whatever `length` says
extern void lazaret_entropy_random(uint32_t length, lazaret_list_u8_t *ret);

// Imported Functions from `lazaret:filter/dns@0.1.0`
extern bool lazaret_dns_lookup(lazaret_string_t *name, lazaret_dns_kind_t kind, lazaret_dns_answer_t *ret, lazaret_error_t *err);
// All at once, answered in the order of the queries; as slow as the slowest. `limit` for more than 64.
extern bool lazaret_dns_lookup_all(lazaret_dns_list_query_t *queries, lazaret_dns_list_answer_t *ret, lazaret_error_t *err);

// Imported Functions from `lazaret:filter/state@0.1.0`
extern bool lazaret_state_get(lazaret_string_t *key, lazaret_option_list_u8_t *ret, lazaret_error_t *err);
// Replaces what is there.
extern bool lazaret_state_set(lazaret_string_t *key, lazaret_list_u8_t *value, uint32_t seconds, lazaret_error_t *err);
// Was it there?
extern bool lazaret_state_remove(lazaret_string_t *key, bool *ret, lazaret_error_t *err);
// Adds to a number, in one step, and returns the sum; one that is not there counts as 0 and lives for `seconds`, one that
// is there keeps its time. Sums stay within the bounds of `s32`. `invalid` when the value there is no number that
// `increment` made.
extern bool lazaret_state_increment(lazaret_string_t *key, int32_t by, uint32_t seconds, int32_t *ret, lazaret_error_t *err);
// Writes `value` (none: removes) if what is there is `expected` (none: nothing), in one step. Was it?
extern bool lazaret_state_compare_and_set(lazaret_string_t *key, lazaret_list_u8_t *maybe_expected, lazaret_list_u8_t *maybe_value, uint32_t seconds, bool *ret, lazaret_error_t *err);

// Imported Functions from `lazaret:filter/http@0.1.0`
extern bool lazaret_http_fetch(lazaret_http_request_t *request, lazaret_http_response_t *ret, lazaret_error_t *err);

// Imported Functions from `lazaret:filter/lists@0.1.0`
// Is the entry in it: the same word (any case), a domain or one above it, an address in one of the networks?
extern bool lazaret_lists_contains(lazaret_string_t *name, lazaret_string_t *entry, bool *ret, lazaret_error_t *err);
// What stands behind it on its line; of several domains or networks that hold it, behind the most specific one. Empty
// where nothing does, none when the entry is not in the list.
extern bool lazaret_lists_lookup(lazaret_string_t *name, lazaret_string_t *entry, lazaret_option_string_t *ret, lazaret_error_t *err);

// Imported Functions from `lazaret:filter/metrics@0.1.0`
// Counts up.
extern bool lazaret_metrics_count(lazaret_string_t *name, uint32_t by, lazaret_error_t *err);
// Sets a gauge; `invalid` for what is no number.
extern bool lazaret_metrics_gauge(lazaret_string_t *name, double value, lazaret_error_t *err);

// Exported Functions from `lazaret`
bool lazaret_configure(lazaret_string_t *config, lazaret_string_t *err);

// Exported Functions from `lazaret:filter/on-connect@0.1.0`
void lazaret_on_connect(lazaret_verdict_t *ret);

// Exported Functions from `lazaret:filter/on-hello@0.1.0`
void lazaret_on_hello(lazaret_string_t *name, lazaret_verdict_t *ret);

// Exported Functions from `lazaret:filter/on-auth@0.1.0`
void lazaret_on_auth(lazaret_string_t *mechanism, lazaret_string_t *maybe_name, lazaret_verdict_t *ret);

// Exported Functions from `lazaret:filter/on-mail@0.1.0`
void lazaret_on_mail(lazaret_address_t *sender, lazaret_verdict_t *ret);

// Exported Functions from `lazaret:filter/on-rcpt@0.1.0`
void lazaret_on_rcpt(lazaret_address_t *recipient, lazaret_verdict_t *ret);

// Exported Functions from `lazaret:filter/on-headers@0.1.0`
void lazaret_on_headers(lazaret_verdict_t *ret);

// Exported Functions from `lazaret:filter/on-message@0.1.0`
void lazaret_on_message(lazaret_verdict_t *ret);

// Exported Functions from `lazaret:filter/on-outcome@0.1.0`
void lazaret_on_outcome(lazaret_outcome_t *transaction);

// Exported Functions from `lazaret:filter/on-disconnect@0.1.0`
void lazaret_on_disconnect(lazaret_string_t *reason);

// Helper Functions

void lazaret_option_string_free(lazaret_option_string_t *ptr);

void lazaret_session_client_info_free(lazaret_session_client_info_t *ptr);

void lazaret_session_certificate_free(lazaret_session_certificate_t *ptr);

void lazaret_session_option_certificate_free(lazaret_session_option_certificate_t *ptr);

void lazaret_session_tls_info_free(lazaret_session_tls_info_t *ptr);

void lazaret_session_option_tls_info_free(lazaret_session_option_tls_info_t *ptr);

void lazaret_option_u16_free(lazaret_option_u16_t *ptr);

void lazaret_reply_free(lazaret_reply_t *ptr);

void lazaret_verdict_free(lazaret_verdict_t *ptr);

void lazaret_parameter_free(lazaret_parameter_t *ptr);

void lazaret_list_parameter_free(lazaret_list_parameter_t *ptr);

void lazaret_address_free(lazaret_address_t *ptr);

void lazaret_envelope_option_address_free(lazaret_envelope_option_address_t *ptr);

void lazaret_envelope_list_address_free(lazaret_envelope_list_address_t *ptr);

void lazaret_list_u8_free(lazaret_list_u8_t *ptr);

void lazaret_headers_field_free(lazaret_headers_field_t *ptr);

void lazaret_headers_list_field_free(lazaret_headers_list_field_t *ptr);

void lazaret_list_string_free(lazaret_list_string_t *ptr);

void lazaret_body_result_list_u8_error_free(lazaret_body_result_list_u8_error_t *ptr);

void lazaret_option_u32_free(lazaret_option_u32_t *ptr);

void lazaret_parts_part_free(lazaret_parts_part_t *ptr);

void lazaret_parts_list_part_free(lazaret_parts_list_part_t *ptr);

void lazaret_parts_result_list_part_error_free(lazaret_parts_result_list_part_error_t *ptr);

void lazaret_parts_result_list_u8_error_free(lazaret_parts_result_list_u8_error_t *ptr);

void lazaret_parts_result_string_error_free(lazaret_parts_result_string_error_t *ptr);

void lazaret_edit_headers_result_void_error_free(lazaret_edit_headers_result_void_error_t *ptr);

void lazaret_edit_headers_result_u32_error_free(lazaret_edit_headers_result_u32_error_t *ptr);

void lazaret_score_entry_free(lazaret_score_entry_t *ptr);

void lazaret_score_result_void_error_free(lazaret_score_result_void_error_t *ptr);

void lazaret_score_result_f64_error_free(lazaret_score_result_f64_error_t *ptr);

void lazaret_score_list_entry_free(lazaret_score_list_entry_t *ptr);

void lazaret_score_result_list_entry_error_free(lazaret_score_result_list_entry_error_t *ptr);

void lazaret_notes_result_void_error_free(lazaret_notes_result_void_error_t *ptr);

void lazaret_notes_result_option_string_error_free(lazaret_notes_result_option_string_error_t *ptr);

void lazaret_pace_result_void_error_free(lazaret_pace_result_void_error_t *ptr);

void lazaret_dns_query_free(lazaret_dns_query_t *ptr);

void lazaret_dns_answer_free(lazaret_dns_answer_t *ptr);

void lazaret_dns_result_answer_error_free(lazaret_dns_result_answer_error_t *ptr);

void lazaret_dns_list_query_free(lazaret_dns_list_query_t *ptr);

void lazaret_dns_list_answer_free(lazaret_dns_list_answer_t *ptr);

void lazaret_dns_result_list_answer_error_free(lazaret_dns_result_list_answer_error_t *ptr);

void lazaret_option_list_u8_free(lazaret_option_list_u8_t *ptr);

void lazaret_state_result_option_list_u8_error_free(lazaret_state_result_option_list_u8_error_t *ptr);

void lazaret_state_result_void_error_free(lazaret_state_result_void_error_t *ptr);

void lazaret_state_result_bool_error_free(lazaret_state_result_bool_error_t *ptr);

void lazaret_state_result_s32_error_free(lazaret_state_result_s32_error_t *ptr);

void lazaret_http_field_free(lazaret_http_field_t *ptr);

void lazaret_http_content_free(lazaret_http_content_t *ptr);

void lazaret_http_list_field_free(lazaret_http_list_field_t *ptr);

void lazaret_http_request_free(lazaret_http_request_t *ptr);

void lazaret_http_response_free(lazaret_http_response_t *ptr);

void lazaret_http_result_response_error_free(lazaret_http_result_response_error_t *ptr);

void lazaret_lists_result_bool_error_free(lazaret_lists_result_bool_error_t *ptr);

void lazaret_lists_result_option_string_error_free(lazaret_lists_result_option_string_error_t *ptr);

void lazaret_metrics_result_void_error_free(lazaret_metrics_result_void_error_t *ptr);

void lazaret_result_void_string_free(lazaret_result_void_string_t *ptr);

void lazaret_outcome_free(lazaret_outcome_t *ptr);

// Sets the string `ret` to reference the input string `s` without copying it
void lazaret_string_set(lazaret_string_t *ret, const char*s);

// Creates a copy of the input nul-terminated string `s` and
// stores it into the component model string `ret`.
void lazaret_string_dup(lazaret_string_t *ret, const char*s);

// Creates a copy of the input string `s` with length `len` and
// stores it into the component model string `ret`.
// The length is specified in code units (bytes for UTF-8, 16-bit values for UTF-16).
void lazaret_string_dup_n(lazaret_string_t *ret, const char*s, size_t len);

// Deallocates the string pointed to by `ret`, deallocating
// the memory behind the string.
void lazaret_string_free(lazaret_string_t *ret);

#ifdef __cplusplus
}
#endif
#endif
