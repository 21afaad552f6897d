// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hands out the window's slots. Not for mapping or unmapping pages.
 *
 * The search goes forward from where the last one ended. So commands that are
 * queued one after the other lie side by side, and when they are answered
 * together (they mostly are) one unmap takes all of them back.
 *
 * All functions run under the device's lock.
 */
#include "window.h"

void zcmu_window_init(struct zcmu_window *window, void **owner, u32 nr_slots)
{
	window->owner = owner;
	window->nr_slots = nr_slots;
	window->free = nr_slots;
	window->cursor = 0;
}

/* Is [first, first + count) free? If not, *next is behind the obstacle. */
static bool range_is_free(const struct zcmu_window *window, u32 first, u32 count, u32 *next)
{
	u32 i;

	/* From the end: the last obstacle lets the search skip most. */
	for (i = count; i-- > 0; ) {
		if (window->owner[first + i]) {
			*next = first + i + 1;
			return false;
		}
	}
	return true;
}

static u32 find_range(const struct zcmu_window *window, u32 from, u32 to, u32 count)
{
	u32 first = from;

	while (first < to && count <= window->nr_slots - first) {
		if (range_is_free(window, first, count, &first))
			return first;
	}
	return ZCMU_NO_SLOT;
}

/**
 * zcmu_window_take - reserve adjacent slots
 * @window: the window
 * @count: how many slots, at least 1
 * @owner: what zcmu_window_owner() will say of them, not NULL
 *
 * Return: the first slot, or ZCMU_NO_SLOT if there is no such gap.
 */
u32 zcmu_window_take(struct zcmu_window *window, u32 count, void *owner)
{
	u32 first, i;

	if (!count || count > window->free)
		return ZCMU_NO_SLOT;

	first = find_range(window, window->cursor, window->nr_slots, count);
	if (first == ZCMU_NO_SLOT)
		first = find_range(window, 0, window->cursor, count);
	if (first == ZCMU_NO_SLOT)
		return ZCMU_NO_SLOT;

	for (i = 0; i < count; i++)
		window->owner[first + i] = owner;
	window->free -= count;
	window->cursor = first + count;
	return first;
}

/* Slots may be given back only after everything in them was unmapped. */
void zcmu_window_give_back(struct zcmu_window *window, u32 first, u32 count)
{
	u32 i;

	for (i = 0; i < count; i++)
		window->owner[first + i] = NULL;
	window->free += count;
}

/* The owner of this page of the window, or NULL. */
void *zcmu_window_owner(const struct zcmu_window *window, u32 page)
{
	u32 slot = page / ZCMU_SLOT_PAGES;

	return slot < window->nr_slots ? window->owner[slot] : NULL;
}
