/*
 * Embeds the schema.  The build passes the path as the string literal JOBLIGHT_SCHEMA_POSTGRES;
 * this file must be compiled again when the SQL changes.
 */
#include "schema_postgres.h"

__asm__(".pushsection .rodata\n"
        ".global schema_postgres\n"
        ".hidden schema_postgres\n"
        ".type schema_postgres, %object\n"
        "schema_postgres:\n"
        ".incbin \"" JOBLIGHT_SCHEMA_POSTGRES "\"\n"
        ".byte 0\n"
        ".size schema_postgres, . - schema_postgres\n"
        ".popsection\n");
