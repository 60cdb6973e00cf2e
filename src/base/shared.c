/*
 * shared.c
 *		Shared memory of all parts: asked for and attached in this one place.
 *
 * Parts register from _PG_init in the postmaster; the list is inherited by
 * every child and never changes afterwards.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"

#include "base/base.h"

static const CimsSharedPart *parts[CIMS_MAX_SHARED_PARTS];
static int n_parts;
static shmem_request_hook_type next_shmem_request_hook;
static shmem_startup_hook_type next_shmem_startup_hook;

static void request_shared_memory(void);
static void start_shared_memory(void);

/* Install the hooks through which the parts get their shared memory. */
void
cims_base_init(void)
{
	next_shmem_request_hook = shmem_request_hook;
	shmem_request_hook = request_shared_memory;
	next_shmem_startup_hook = shmem_startup_hook;
	shmem_startup_hook = start_shared_memory;

	cims_pending_init();
	cims_disclosure_init();
}

/* Add a part that wants shared memory. */
void
cims_shared_register(const CimsSharedPart *part)
{
	if (n_parts == CIMS_MAX_SHARED_PARTS)
		elog(ERROR, "too many parts ask for shared memory");
	parts[n_parts++] = part;
}

/* Ask for the memory and the locks of every part. */
static void
request_shared_memory(void)
{
	if (next_shmem_request_hook)
		next_shmem_request_hook();

	for (int i = 0; i < n_parts; i++)
	{
		RequestAddinShmemSpace(MAXALIGN(parts[i]->size()));
		if (parts[i]->locks > 0)
			RequestNamedLWLockTranche(parts[i]->name, parts[i]->locks);
	}
}

/* Make the memory of every part and let it fill in its beginning. */
static void
start_shared_memory(void)
{
	if (next_shmem_startup_hook)
		next_shmem_startup_hook();

	for (int i = 0; i < n_parts; i++)
	{
		const CimsSharedPart *part = parts[i];
		Size size = part->size();
		bool found;
		void *area = ShmemInitStruct(part->name, size, &found);

		if (found)
			continue;
		memset(area, 0, size);
		part->startup(area, part->locks > 0 ? GetNamedLWLockTranche(part->name) : NULL);
	}
}
