/* The version of the program and the library. */
#ifndef BASE_VERSION_H
#define BASE_VERSION_H

/* "major.minor.patch". Static storage. */
const char *version_text(void);

#endif
