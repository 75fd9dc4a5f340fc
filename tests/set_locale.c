/* Linked into every test: the tests run in the environment's locale, as a host program of the library might. */
#include <locale.h>

__attribute__((constructor)) static void set_locale(void) { setlocale(LC_ALL, ""); }
