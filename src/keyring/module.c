/*
 * module.c
 *		Start the keyring.
 */
#include "postgres.h"

#include "keyring/internal.h"

/* Define the settings, ask for shared memory, install hooks and callbacks. */
void
cims_keyring_init(void)
{
	cims_source_init();
	cims_master_init();
	cims_keyring_shared_init();
	cims_role_init();
	cims_change_init();
}
