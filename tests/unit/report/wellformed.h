/* A checker for the pages that the program writes: every tag closed in order, every attribute quoted, no '<', '>' or
 * '&' outside of tags and entities. */
#ifndef TESTS_REPORT_WELLFORMED_H
#define TESTS_REPORT_WELLFORMED_H

/* NULL, or what is wrong and near what (static storage). */
const char *find_malformed(const char *html);

/* Of an SVG or HTML text: no number that is none. */
int has_bad_number(const char *html);

#endif
