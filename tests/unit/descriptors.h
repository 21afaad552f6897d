/* SPDX-License-Identifier: MIT */
/* How many descriptors this process has open: what is refused must leave none behind. */
#ifndef DESCRIPTORS_H
#define DESCRIPTORS_H

unsigned int open_descriptors(void);

#endif /* DESCRIPTORS_H */
