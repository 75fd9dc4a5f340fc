/* The clock of progress lines and estimates. No result may depend on it. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

/* Seconds since some fixed moment; never set back. */
double clock_seconds(void);

#endif
