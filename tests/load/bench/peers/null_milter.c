/* A milter that is asked everything, is given the whole message, and never objects. */
#include <libmilter/mfapi.h>
#include <stdio.h>
#include <sys/stat.h>

static sfsistat on_connect(SMFICTX *c, char *name, _SOCK_ADDR *address) { return SMFIS_CONTINUE; }
static sfsistat on_helo(SMFICTX *c, char *name) { return SMFIS_CONTINUE; }
static sfsistat on_mail(SMFICTX *c, char **arguments) { return SMFIS_CONTINUE; }
static sfsistat on_rcpt(SMFICTX *c, char **arguments) { return SMFIS_CONTINUE; }
static sfsistat on_data(SMFICTX *c) { return SMFIS_CONTINUE; }
static sfsistat on_header(SMFICTX *c, char *name, char *value) { return SMFIS_CONTINUE; }
static sfsistat on_end_of_header(SMFICTX *c) { return SMFIS_CONTINUE; }
static sfsistat on_body(SMFICTX *c, unsigned char *octets, size_t length) { return SMFIS_CONTINUE; }
static sfsistat on_end_of_message(SMFICTX *c) { return SMFIS_CONTINUE; }
static sfsistat on_abort(SMFICTX *c) { return SMFIS_CONTINUE; }
static sfsistat on_close(SMFICTX *c) { return SMFIS_CONTINUE; }

int main(int count, char **arguments)
{
    struct smfiDesc description = {
        .xxfi_name = "null",
        .xxfi_version = SMFI_VERSION,
        .xxfi_connect = on_connect,
        .xxfi_helo = on_helo,
        .xxfi_envfrom = on_mail,
        .xxfi_envrcpt = on_rcpt,
        .xxfi_data = on_data,
        .xxfi_header = on_header,
        .xxfi_eoh = on_end_of_header,
        .xxfi_body = on_body,
        .xxfi_eom = on_end_of_message,
        .xxfi_abort = on_abort,
        .xxfi_close = on_close,
    };

    if (count != 2) {
        fprintf(stderr, "usage: null_milter SOCKET\n");
        return 2;
    }
    umask(0); /* Postfix connects as a user of its own */
    if (smfi_setconn(arguments[1]) == MI_FAILURE || smfi_register(description) == MI_FAILURE)
        return 1;
    return smfi_main() == MI_SUCCESS ? 0 : 1;
}
