/*
 * fuzz_label.c
 *		Labels: any text is refused or gives a valid stored form, whose printed
 *		form reads back as the same label without any names; any bytes are valid
 *		only where they are the one spelling of a label; a label dominates itself.
 */
#include "fuzz.h"
#include "label/label.h"

/* Names of a site that has one for everything in lower case: its first letter, or a digit for levels. */
static size_t
names(CimsLabelKind kind, const char *name, size_t len, char *code, void *state)
{
	(void) state;
	FUZZ_CHECK(len >= 1 && len <= CIMS_LABEL_NAME_MAX);
	if (name[0] < 'a' || name[0] > 'z')
		return 0;
	code[0] = kind == CIMS_LABEL_LEVEL ? (char) ('0' + name[0] % 10) : name[0];
	return 1;
}

/* Print a valid label and read it again. */
static void
check_round_trip(const uint8_t *label, size_t size)
{
	static char text[CIMS_LABEL_TEXT_MAX];
	static uint8_t again[CIMS_LABEL_SIZE_MAX];
	size_t again_size;
	size_t where;
	size_t len = cims_label_print(label, text);

	FUZZ_CHECK(len <= sizeof(text));
	FUZZ_CHECK(cims_label_parse(text, len, NULL, NULL, again, &again_size, &where) == CIMS_LABEL_OK);
	FUZZ_CHECK(where == len && again_size == size && memcmp(again, label, size) == 0);
	FUZZ_CHECK(cims_label_compare(again, again_size, label, size) == 0);
	FUZZ_CHECK(cims_label_dominates(label, again));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = fuzz_copy(data, size);
	uint8_t *label = malloc(CIMS_LABEL_SIZE_MAX);
	size_t label_size = 1;
	size_t where = SIZE_MAX;
	CimsLabelStatus status;

	FUZZ_CHECK(label != NULL);
	status = cims_label_parse(copy, size, names, NULL, label, &label_size, &where);
	FUZZ_CHECK(where <= size);
	if (status == CIMS_LABEL_OK)
	{
		FUZZ_CHECK(label_size <= CIMS_LABEL_SIZE_MAX && cims_label_valid(label, label_size));
		check_round_trip(label, label_size);
	}
	else
		FUZZ_CHECK(label_size == 0);

	if (size <= CIMS_LABEL_SIZE_MAX && cims_label_valid((const uint8_t *) copy, size))
		check_round_trip((const uint8_t *) copy, size);
	free(label);
	free(copy);
	return 0;
}
