/* A new key is printed once; when that fails, the way to revoke it is told. */
#ifndef JOBLIGHT_CLI_KEY_PRINT_H
#define JOBLIGHT_CLI_KEY_PRINT_H

/* Returns an exit status. */
int key_print(const char *key, const char *id);

#endif
