/* The documents that are written from the table of settings: for `joblight config docs`. */
#ifndef JOBLIGHT_SERVE_CONFIG_DOCUMENT_H
#define JOBLIGHT_SERVE_CONFIG_DOCUMENT_H

#include <stdio.h>

void config_document_markdown(FILE *out); /* docs/settings.md */
void config_document_manual(FILE *out);   /* the settings of joblight.conf(5), for scdoc(5) */

#endif
