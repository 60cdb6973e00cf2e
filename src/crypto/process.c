/*
 * process.c
 *		Notices a fork.
 *
 * A page that the kernel wipes in a forked child (MADV_WIPEONFORK, Linux 4.14)
 * tells a child from its parent at the price of one read, where getpid is a
 * system call, and no reuse of process ids deceives it.  Where there is no such
 * page, getpid answers.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "crypto/internal.h"

static volatile unsigned char *marker; /* first byte of the page: 1 in the process that wrote it */
static bool marker_failed;
static uint64_t generation;

/* Maps the page; a child of a process that has one inherits it, wiped. */
static void
map_marker(void)
{
#ifdef MADV_WIPEONFORK
	size_t len = (size_t) sysconf(_SC_PAGESIZE);
	void *page = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page != MAP_FAILED && madvise(page, len, MADV_WIPEONFORK) == 0)
	{
		marker = page;
		return;
	}
	if (page != MAP_FAILED)
		(void) munmap(page, len);
#endif
	marker_failed = true;
}

/* Returns a number that is never 0, stays the same in a process and differs from its parent's. */
uint64_t
cims_process_generation(void)
{
	if (marker == NULL && !marker_failed)
		map_marker();
	if (marker_failed)
		return (uint64_t) getpid();
	if (*marker == 0)
	{
		*marker = 1;
		generation++;
	}
	return generation;
}
