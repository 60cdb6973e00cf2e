/*
 * fuzz_mask_spec.c
 *		Specifications of masks: an error exactly where there is no rule, a constant
 *		that can be recognised, and the same rule again when written out.
 */
#include "fuzz.h"
#include "mask/mask.h"

static const char *const names[] = {
	[CIMS_MASK_CONSTANT] = "constant",
	[CIMS_MASK_NULL] = "null",
	[CIMS_MASK_PARTIAL] = "partial",
	[CIMS_MASK_PHONE] = "phone",
	[CIMS_MASK_LANDLINE] = "landline",
	[CIMS_MASK_ID_CARD] = "id_card",
	[CIMS_MASK_BANK_CARD] = "bank_card",
	[CIMS_MASK_NAME] = "name",
	[CIMS_MASK_ADDRESS] = "address",
	[CIMS_MASK_EMAIL] = "email",
	[CIMS_MASK_PLATE] = "plate",
	[CIMS_MASK_IP] = "ip",
	[CIMS_MASK_USCC] = "uscc",
	[CIMS_MASK_PASSPORT] = "passport",
	[CIMS_MASK_YEAR] = "year",
	[CIMS_MASK_BUCKET] = "bucket",
};

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *spec = fuzz_copy(data, size);
	char written[CIMS_MASK_CONSTANT_MAX + 64];
	const char *error = NULL;
	CimsMaskRule rule;
	CimsMaskRule again;

	if (cims_mask_parse(spec, size, &rule, &error))
	{
		size_t constant_len = strnlen(rule.constant, sizeof(rule.constant));

		FUZZ_CHECK(error == NULL);
		FUZZ_CHECK((size_t) rule.kind < sizeof(names) / sizeof(names[0]));
		FUZZ_CHECK(constant_len > 0 && constant_len <= CIMS_MASK_CONSTANT_MAX && cims_mask_has_mark(rule.constant, constant_len));
		FUZZ_CHECK(rule.prefix >= 0 && rule.suffix >= 0);
		if (rule.kind == CIMS_MASK_PARTIAL)
			snprintf(written, sizeof(written), "partial(%d,%d)", rule.prefix, rule.suffix);
		else if (rule.kind == CIMS_MASK_CONSTANT)
			snprintf(written, sizeof(written), "constant(%s)", rule.constant);
		else if (rule.kind == CIMS_MASK_BUCKET && rule.width > 0)
			snprintf(written, sizeof(written), "bucket(%lld)", (long long) rule.width);
		else if (rule.kind == CIMS_MASK_BUCKET)
			snprintf(written, sizeof(written), "bucket(%s)", rule.unit == CIMS_MASK_UNIT_MONTH ? "month" : "decade");
		else
			snprintf(written, sizeof(written), "%s", names[rule.kind]);
		FUZZ_CHECK(cims_mask_parse(written, strlen(written), &again, &error));
		FUZZ_CHECK(rule.kind == again.kind && rule.prefix == again.prefix && rule.suffix == again.suffix);
		FUZZ_CHECK(strcmp(rule.constant, again.constant) == 0 && rule.width == again.width && rule.unit == again.unit);
	}
	else
		FUZZ_CHECK(error != NULL && error[0] != '\0');
	free(spec);
	return 0;
}
