/*
 * label_type.h
 *		Datums of type cims.label.
 */
#ifndef CIMS_ACCESS_LABEL_TYPE_H
#define CIMS_ACCESS_LABEL_TYPE_H

#include "cims_compat.h"
#include "label/label.h"

#define CIMS_LABEL_BYTES(datum) ((const uint8_t *) VARDATA_ANY(datum))

extern struct varlena *cims_label_datum(const uint8_t *label, size_t size);

#endif
