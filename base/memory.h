/* How much memory this process has, as the operating system counts it. No result may depend on it. */
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

#include <stddef.h>

/* Bytes resident now, pages of mapped files included; 0 = not known. */
size_t memory_resident(void);

/* The most that was ever resident (VmHWM); 0 = not known. */
size_t memory_peak(void);

#endif
