/*
 * label.h
 *		Security labels: a level, compartments, groups.  Pure C, no postgres.h.
 *
 * The text form is LEVEL[:COMPARTMENT,...][/GROUP,...]: 3, 3:FIN,HR, 3/cn,
 * 3:FIN,HR/cn,eu.  A level is a number; compartments and groups are codes.
 * What a site calls them may stand in their place: a name in double quotes
 * ("top secret":"Human resources"/cn), a level's name without them too, as it
 * cannot be taken for a number.  A code is never taken for a name, nor a name
 * for a code, so that the form that is printed, which has numbers and codes
 * alone, means the same whatever names there are.
 *
 * The stored form has one spelling for each label, so that labels are equal
 * where their bytes are:
 *
 *		level 2, big endian | count 1 | codes | count 1 | codes
 *
 * first compartments, then groups; a code is its length, 1 byte, and its bytes;
 * codes ascend by their bytes, each once.
 */
#ifndef CIMS_LABEL_H
#define CIMS_LABEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CIMS_LABEL_LEVEL_MAX 9999
#define CIMS_LABEL_CODE_MAX 63  /* bytes of a code */
#define CIMS_LABEL_NAME_MAX 255 /* bytes of a site's name */
#define CIMS_LABEL_CODES_MAX 255
#define CIMS_LABEL_SIZE_MAX (2 + 2 * (1 + CIMS_LABEL_CODES_MAX * (1 + CIMS_LABEL_CODE_MAX)))
#define CIMS_LABEL_TEXT_MAX (4 + 2 * CIMS_LABEL_CODES_MAX * (1 + CIMS_LABEL_CODE_MAX))

typedef enum CimsLabelKind
{
	CIMS_LABEL_LEVEL = 0,
	CIMS_LABEL_COMPARTMENT,
	CIMS_LABEL_GROUP
} CimsLabelKind;

typedef enum CimsLabelStatus
{
	CIMS_LABEL_OK = 0,
	CIMS_LABEL_BAD_LEVEL,   /* no number from 0 to 9999, and no name */
	CIMS_LABEL_BAD_CODE,    /* an empty code, one that is too long, or one with a character that no code has */
	CIMS_LABEL_BAD_NAME,    /* an unfinished or empty name in quotes, or one that is too long */
	CIMS_LABEL_BAD_FORM,    /* something stands behind the label, or between its parts */
	CIMS_LABEL_TOO_MANY,    /* codes */
	CIMS_LABEL_UNKNOWN_NAME /* the site has no such name */
} CimsLabelStatus;

/*
 * Gives the code that a site's name stands for, the digits of a level
 * included: writes it to code, of CIMS_LABEL_CODE_MAX bytes, and returns its
 * length; 0 where there is no such name.
 */
typedef size_t (*CimsLabelNames)(CimsLabelKind kind, const char *name, size_t len, char *code, void *state);

/* The labels that a stored form consists of, in place. */
typedef struct CimsLabelCodes
{
	const uint8_t *next;
	int left;
} CimsLabelCodes;

/* label.c: the text form */
extern bool cims_label_code_valid(const char *code, size_t len);
extern CimsLabelStatus cims_label_parse(const char *text, size_t len, CimsLabelNames names, void *state,
										uint8_t *label, size_t *size, size_t *where); /* label: SIZE_MAX bytes; where: the byte at which an error was seen */
extern CimsLabelStatus cims_label_build(int level, const char *const *compartments, int n_compartments,
										const char *const *groups, int n_groups, uint8_t *label, size_t *size);
extern size_t cims_label_print(const uint8_t *label, char *text); /* text: TEXT_MAX bytes; returns its length */

/* form.c: the stored form; all but the first take valid labels only */
extern bool cims_label_valid(const uint8_t *label, size_t size);
extern int cims_label_level(const uint8_t *label);
extern CimsLabelCodes cims_label_compartments(const uint8_t *label);
extern CimsLabelCodes cims_label_groups(const uint8_t *label);
extern const char *cims_label_next(CimsLabelCodes *codes, size_t *len); /* NULL after the last */
extern int cims_label_compare(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size);

/*
 * form.c: tells whether a clearance dominates a label: its level is not lower,
 * it has every compartment, and one of the groups where the label has any.
 */
extern bool cims_label_dominates(const uint8_t *clearance, const uint8_t *label);

/* form.c: for private use and tests: sorts codes, drops repeated ones, writes the stored form */
typedef struct CimsLabelItem
{
	const char *code;
	size_t len;
} CimsLabelItem;
extern size_t cims_label_write(int level, CimsLabelItem *compartments, int n_compartments,
							   CimsLabelItem *groups, int n_groups, uint8_t *label);

#endif
