/* What the stand-ins for CUDA's libraries share. README.md says what they are for. */

#ifndef NULL_CUDA_H
#define NULL_CUDA_H

#include <stddef.h>

/* Counts something that a device would compute. In libcudart's stand-in. */
void null_cuda_launched(void);

/* A handle that stands for nothing, and its end. They give the status of the function that they are called by. */
int null_cuda_create(void **handle);
int null_cuda_destroy(void *handle);

/* A function of which nobody here needs more than that it succeeds. All of CUDA's return 0 for that. */
#define SUCCEEDS(name) int name(void) { return 0; }

/* A function that has the device compute something. */
#define COMPUTES(name) int name(void) { null_cuda_launched(); return 0; }

#endif
