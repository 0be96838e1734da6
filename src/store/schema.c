/*
 * Embeds the schema.  The build passes the path as the string literal JOBLIGHT_SCHEMA_SQLITE; this
 * file must be compiled again when the SQL changes.
 */
#include "schema.h"

__asm__(".pushsection .rodata\n"
        ".global schema_sqlite\n"
        ".hidden schema_sqlite\n"
        ".type schema_sqlite, %object\n"
        "schema_sqlite:\n"
        ".incbin \"" JOBLIGHT_SCHEMA_SQLITE "\"\n"
        ".byte 0\n"
        ".size schema_sqlite, . - schema_sqlite\n"
        ".popsection\n");
