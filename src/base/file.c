/*
 * file.c
 *		Reading what the server is configured with from outside the database.
 */
#include "postgres.h"

#include <unistd.h>

#include "base/base.h"

/*
 * Read to the end of a file or pipe.  Raises nothing: what was read may be a
 * secret, which the caller has to wipe whatever happens.
 */
bool
cims_file_read(int fd, char *text, Size max, Size *len)
{
	*len = 0;
	for (;;)
	{
		ssize_t got = read(fd, text + *len, max + 1 - *len);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return false;
		if (got == 0)
			return true;
		*len += got;
		if (*len > max)
			return false;
	}
}
