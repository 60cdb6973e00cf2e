/*
 * merkle_model.h
 *		RFC 9162 section 2.1 word for word, as a model to hold src/merkle against:
 *		slow, recursive, with hashing of its own.
 *
 * The hash of a range of leaves is remembered, as a range comes again and again.
 */
#ifndef CIMS_TEST_MERKLE_MODEL_H
#define CIMS_TEST_MERKLE_MODEL_H

#include <stdlib.h>
#include <string.h>

#include "merkle/merkle.h"

/* A tree of n leaves, whose entries are their numbers in four bytes. */
typedef struct Model
{
	size_t n;
	CimsMerkleHash *leaves;
	CimsMerkleHash **memory; /* of ranges, by begin, then by end - begin - 1; NULL in large trees */
	bool **known;
} Model;

/* A list of hashes in the order of the RFC. */
typedef struct ModelProof
{
	int count;
	CimsMerkleHash hashes[CIMS_MERKLE_PROOF_MAX];
} ModelProof;

/* Hashes the concatenation of a prefix and two runs. */
static CimsMerkleHash
model_hash(unsigned char prefix, const void *a, size_t a_len, const void *b, size_t b_len)
{
	unsigned char whole[1 + 2 * CIMS_MERKLE_HASH_LEN] = {prefix};
	CimsMerkleHash out;

	if (1 + a_len + b_len > sizeof(whole))
		abort();
	memcpy(whole + 1, a, a_len);
	if (b_len > 0)
		memcpy(whole + 1 + a_len, b, b_len);
	if (cims_digest(CIMS_HASH_SHA256, whole, 1 + a_len + b_len, out.bytes) != CIMS_CRYPTO_OK)
		abort();
	return out;
}

/* Hashes two nodes. */
static CimsMerkleHash
model_node(CimsMerkleHash left, CimsMerkleHash right)
{
	return model_hash(0x01, left.bytes, sizeof(left.bytes), right.bytes, sizeof(right.bytes));
}

/* The entry of a leaf. */
static inline CimsBytes
model_entry(size_t i, unsigned char entry[4])
{
	for (int b = 0; b < 4; b++)
		entry[b] = (unsigned char) (i >> (8 * b));
	return (CimsBytes){entry, 4};
}

/* Makes a tree; with memory where all of its ranges will be asked for. */
static inline Model
model_new(size_t n, bool with_memory)
{
	Model model = {.n = n, .leaves = malloc(n * sizeof(CimsMerkleHash))};

	for (size_t i = 0; i < n; i++)
	{
		unsigned char entry[4];
		CimsBytes bytes = model_entry(i, entry);

		model.leaves[i] = model_hash(0x00, bytes.data, bytes.len, NULL, 0);
	}
	if (!with_memory)
		return model;
	model.memory = malloc(n * sizeof(*model.memory));
	model.known = malloc(n * sizeof(*model.known));
	for (size_t i = 0; i < n; i++)
	{
		model.memory[i] = malloc((n - i) * sizeof(CimsMerkleHash));
		model.known[i] = calloc(n - i, sizeof(bool));
	}
	return model;
}

/* Frees a tree. */
static inline void
model_free(Model *model)
{
	for (size_t i = 0; model->memory != NULL && i < model->n; i++)
	{
		free(model->memory[i]);
		free(model->known[i]);
	}
	free(model->memory);
	free(model->known);
	free(model->leaves);
}

/* The largest power of two smaller than n. */
static size_t
model_split(size_t n)
{
	size_t k = 1;

	while (k * 2 < n)
		k *= 2;
	return k;
}

/* MTH(D[begin:end]) of section 2.1.1, of at least one leaf. */
static inline CimsMerkleHash
model_root(const Model *model, size_t begin, size_t end)
{
	size_t k = end - begin > 1 ? model_split(end - begin) : 0;
	CimsMerkleHash root;

	if (end - begin == 1)
		return model->leaves[begin];
	if (model->memory != NULL && model->known[begin][end - begin - 1])
		return model->memory[begin][end - begin - 1];
	root = model_node(model_root(model, begin, begin + k), model_root(model, begin + k, end));
	if (model->memory != NULL)
	{
		model->memory[begin][end - begin - 1] = root;
		model->known[begin][end - begin - 1] = true;
	}
	return root;
}

/* PATH(m, D[begin:end]) of section 2.1.3.1, added to proof. */
static inline void
model_path(const Model *model, size_t m, size_t begin, size_t end, ModelProof *proof)
{
	size_t k;

	if (end - begin == 1)
		return;
	k = model_split(end - begin);
	if (m < k)
	{
		model_path(model, m, begin, begin + k, proof);
		proof->hashes[proof->count++] = model_root(model, begin + k, end);
	}
	else
	{
		model_path(model, m - k, begin + k, end, proof);
		proof->hashes[proof->count++] = model_root(model, begin, begin + k);
	}
}

/* SUBPROOF(m, D[begin:end], b) of section 2.1.4.1, added to proof. */
static inline void
model_subproof(const Model *model, size_t m, size_t begin, size_t end, bool b, ModelProof *proof)
{
	size_t k;

	if (m == end - begin)
	{
		if (!b)
			proof->hashes[proof->count++] = model_root(model, begin, end);
		return;
	}
	k = model_split(end - begin);
	if (m <= k)
	{
		model_subproof(model, m, begin, begin + k, b, proof);
		proof->hashes[proof->count++] = model_root(model, begin + k, end);
	}
	else
	{
		model_subproof(model, m - k, begin + k, end, false, proof);
		proof->hashes[proof->count++] = model_root(model, begin, begin + k);
	}
}

#endif
