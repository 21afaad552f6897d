/* SPDX-License-Identifier: MIT */
/* Folders and links that are made one after the other, and removed again if a later one fails */
#ifndef ZCMU_TOOL_ATTACH_STEPS_H
#define ZCMU_TOOL_ATTACH_STEPS_H

struct step;

struct steps {
	const char *disk;		/* for messages */
	struct step *newest;
};

/* Quiet. -EEXIST: it exists already, and must not be undone. */
int steps_make_folder(struct steps *steps, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
int steps_make_link(struct steps *steps, const char *to, const char *path);
void steps_undo(struct steps *steps);
void steps_forget(struct steps *steps);

#endif /* ZCMU_TOOL_ATTACH_STEPS_H */
