"""Write text/scorers/html_entities.h: the named character references of HTML 5 as Python's html.entities.html5 has them.

Run from the repository root: python tests/generators/text_html_entities.py. The table is that of the HTML standard
(https://html.spec.whatwg.org/entities.json)."""
import html.entities
import pathlib

OUT = pathlib.Path("text/scorers/html_entities.h")
HEAD = """/* The named character references of HTML 5, sorted by name in byte order. Written by
 * tests/generators/text_html_entities.py from Python's html.entities.html5
 * (https://html.spec.whatwg.org/entities.json); for text/scorers/html.c alone. */
#ifndef TEXT_HTML_ENTITIES_H
#define TEXT_HTML_ENTITIES_H

#include <stdint.h>

/* A name without '&' and ';', the one or two code points it stands for (second 0: one), and whether it also counts
 * without the semicolon. */
typedef struct html_entity {
    const char *name;
    uint32_t first, second;
    int bare;
} html_entity;

/* clang-format off */
static const html_entity HTML_ENTITIES[] = {
"""


def main():
    table = html.entities.html5
    names = sorted(name[:-1] for name in table if name.endswith(";"))
    assert all(name.endswith(";") or table[name] == table[name + ";"] for name in table)
    rows, line = [], ""
    for name in names:
        signs = [ord(c) for c in table[name + ";"]] + [0]
        row = f'{{"{name}",0x{signs[0]:X},{signs[1] and f"0x{signs[1]:X}"},{int(name in table)}}},'
        if len(line) + len(row) > 120:
            rows.append(line)
            line = ""
        line += row
    rows.append(line)
    OUT.write_text(HEAD + "\n".join(rows) + "\n};\n/* clang-format on */\n\n#endif\n")


if __name__ == "__main__":
    main()
