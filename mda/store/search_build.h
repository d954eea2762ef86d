/* SPDX-License-Identifier: MIT
 * mda/store/search_build.h - makes a segment of the search index of the texts
 * of messages. Pure but for memory, some 30 MiB at most. */
#pragma once

#include "mda/store/search_record.h"

struct search_builder;

struct search_builder *search_builder_new(void);
void search_builder_free(struct search_builder **b);

/* No more messages fit, or should be added. */
bool search_builder_is_full(const struct search_builder *b);
size_t search_builder_n_docs(const struct search_builder *b);

/* Adds a message: its header and body as search_text_gather() gives them, and
 * the octets of its file, which bound what its words may take: a quarter, and
 * 4 KiB. One beyond that is noted as not read. */
void search_builder_add(struct search_builder *b, uint32_t uid,
			struct str header, struct str body, uint64_t octets);
void search_builder_add_unread(struct search_builder *b, uint32_t uid);

/* Appends the segment that stands at that place of the file. */
void search_builder_put(struct search_builder *b, struct buf *out, uint64_t at);
