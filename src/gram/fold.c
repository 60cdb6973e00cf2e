/*
 * fold.c
 *		Folding of letter case, the same under every collation.
 *
 * Two characters that some collation's lower() or upper() takes to the same
 * character fold to the same one here, for every character whose case counts
 * as settled.  So an index does not depend on a collation, on a version of libc
 * or of ICU, and an ILIKE under any of them loses no match: where a character is
 * not settled, case-insensitive patterns do without grams that contain it.
 *
 * The table is simple case folding (Unicode 15.0, CaseFolding.txt, status C
 * and S) of the settled blocks and of what folds into them, with the two letters
 * that Turkish and Azerbaijani keep apart, dotted capital and dotless small i,
 * folded to i.  U+0307, the dot that lower() puts on or takes off an i, is
 * dropped by the window.
 */
#include "gram/private.h"

/* Every stride-th character from first to last folds to itself plus delta. */
typedef struct FoldRange
{
	uint32_t first;
	uint32_t last;
	uint32_t stride;
	int32_t delta;
} FoldRange;

/* In order, apart from each other. */
static const FoldRange fold_ranges[] = {
	{0x0041, 0x005A, 1, 32},
	{0x00B5, 0x00B5, 1, 775},
	{0x00C0, 0x00D6, 1, 32},
	{0x00D8, 0x00DE, 1, 32},
	{0x0100, 0x012E, 2, 1},
	{0x0130, 0x0130, 1, -199},
	{0x0131, 0x0131, 1, -200},
	{0x0132, 0x0136, 2, 1},
	{0x0139, 0x0147, 2, 1},
	{0x014A, 0x0176, 2, 1},
	{0x0178, 0x0178, 1, -121},
	{0x0179, 0x017D, 2, 1},
	{0x017F, 0x017F, 1, -268},
	{0x0345, 0x0345, 1, 116},
	{0x0370, 0x0372, 2, 1},
	{0x0376, 0x0376, 1, 1},
	{0x037F, 0x037F, 1, 116},
	{0x0386, 0x0386, 1, 38},
	{0x0388, 0x038A, 1, 37},
	{0x038C, 0x038C, 1, 64},
	{0x038E, 0x038F, 1, 63},
	{0x0391, 0x03A1, 1, 32},
	{0x03A3, 0x03AB, 1, 32},
	{0x03C2, 0x03C2, 1, 1},
	{0x03CF, 0x03CF, 1, 8},
	{0x03D0, 0x03D0, 1, -30},
	{0x03D1, 0x03D1, 1, -25},
	{0x03D5, 0x03D5, 1, -15},
	{0x03D6, 0x03D6, 1, -22},
	{0x03D8, 0x03EE, 2, 1},
	{0x03F0, 0x03F0, 1, -54},
	{0x03F1, 0x03F1, 1, -48},
	{0x03F4, 0x03F4, 1, -60},
	{0x03F5, 0x03F5, 1, -64},
	{0x03F7, 0x03F7, 1, 1},
	{0x03F9, 0x03F9, 1, -7},
	{0x03FA, 0x03FA, 1, 1},
	{0x03FD, 0x03FF, 1, -130},
	{0x0400, 0x040F, 1, 80},
	{0x0410, 0x042F, 1, 32},
	{0x0460, 0x0480, 2, 1},
	{0x048A, 0x04BE, 2, 1},
	{0x04C0, 0x04C0, 1, 15},
	{0x04C1, 0x04CD, 2, 1},
	{0x04D0, 0x052E, 2, 1},
	{0x1C80, 0x1C80, 1, -6222},
	{0x1C81, 0x1C81, 1, -6221},
	{0x1C82, 0x1C82, 1, -6212},
	{0x1C83, 0x1C84, 1, -6210},
	{0x1C85, 0x1C85, 1, -6211},
	{0x1C86, 0x1C86, 1, -6204},
	{0x1C87, 0x1C87, 1, -6180},
	{0x1E00, 0x1E94, 2, 1},
	{0x1E9B, 0x1E9B, 1, -58},
	{0x1E9E, 0x1E9E, 1, -7615},
	{0x1EA0, 0x1EFE, 2, 1},
	{0x1FBE, 0x1FBE, 1, -7173},
	{0x2126, 0x2126, 1, -7517},
	{0x212A, 0x212A, 1, -8383},
	{0x212B, 0x212B, 1, -8262},
	{0xFF21, 0xFF3A, 1, 32},
};

/* First and last characters of the blocks whose case is settled. */
static const uint32_t settled_ranges[][2] = {
	{0x0000, 0x017F},   /* ASCII, Latin-1, Latin Extended-A */
	{0x0300, 0x036F},   /* combining marks */
	{0x0370, 0x052F},   /* Greek, Cyrillic and its supplement */
	{0x1E00, 0x1EFF},   /* Latin Extended Additional: Vietnamese */
	{0x2000, 0x206F},   /* punctuation */
	{0x3000, 0x33FF},   /* CJK punctuation, kana, bopomofo, enclosed, compatibility */
	{0x3400, 0x4DBF},   /* ideographs, extension A */
	{0x4E00, 0x9FFF},   /* ideographs */
	{0xAC00, 0xD7A3},   /* Hangul */
	{0xF900, 0xFAFF},   /* compatibility ideographs */
	{0xFF00, 0xFFEF},   /* full and half width forms */
	{0x1F300, 0x1FAFF}, /* pictographs */
	{0x20000, 0x3FFFF}  /* ideographs, further extensions */
};

/* Fold a character. */
uint32_t
cims_gram_fold(uint32_t c)
{
	int low = 0;
	int high = (int) (sizeof(fold_ranges) / sizeof(fold_ranges[0])) - 1;

	if (c < 0x80)
		return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
	while (low <= high)
	{
		int middle = (low + high) / 2;
		const FoldRange *range = &fold_ranges[middle];

		if (c < range->first)
			high = middle - 1;
		else if (c > range->last)
			low = middle + 1;
		else if ((c - range->first) % range->stride == 0)
			return c + (uint32_t) range->delta;
		else
			return c;
	}
	return c;
}

/* Tell whether everything that equals a character in some collation's case folds as it does. */
bool
cims_gram_case_is_settled(uint32_t c)
{
	for (size_t i = 0; i < sizeof(settled_ranges) / sizeof(settled_ranges[0]); i++)
		if (c >= settled_ranges[i][0] && c <= settled_ranges[i][1])
			return true;
	return false;
}
