/* The style sheet of every page. Colours are variables, once for light and once for dark; nothing is loaded. Strings in
 * a list: C11 promises no more than 4,095 characters in one. */
#include "report/page.h"

#define LIGHT                                                                                                          \
    "--page:#faf9f6;--panel:#fff;--ink:#22252a;--soft:#626973;--line:#e3e0d9;--accent:#2a5f8f;--band:#efeadb;"         \
    "--heat:#1f4e79;--c0:#2a6496;--c1:#c2703d;--c2:#4b8a61;--c3:#8766ad;--c4:#ad4557;--c5:#75797f;"                    \
    "--good:#2f7a4d;--wary:#9a6215;--bad:#a63a3a;"
#define DARK                                                                                                           \
    "--page:#15171b;--panel:#1c1f24;--ink:#e5e2dc;--soft:#9ba2ab;--line:#32363d;--accent:#86b8e6;--band:#2c2a22;"      \
    "--heat:#8ec2f2;--c0:#6fa9dc;--c1:#e0a071;--c2:#7fbf95;--c3:#b497d8;--c4:#e0808f;--c5:#9aa0a8;"                    \
    "--good:#7cc79a;--wary:#dfa95a;--bad:#e98b8b;"

const char *const PAGE_STYLE[] = {
    ":root{color-scheme:light dark;" LIGHT "}\n",
    "@media (prefers-color-scheme:dark){:root{" DARK "}}\n",
    "@media print{:root{" LIGHT "}}\n",
    "*{box-sizing:border-box}\n",
    "html{-webkit-text-size-adjust:100%;scroll-behavior:smooth}\n",
    "body{margin:0 auto;padding:2.5rem 1.25rem 4rem;max-width:58rem;background:var(--page);color:var(--ink);"
    "font:1rem/1.6 system-ui,-apple-system,\"Segoe UI\",Roboto,\"Noto Sans\",\"Liberation Sans\",sans-serif}\n",
    "h1{font-size:1.9rem;line-height:1.2;margin:.2rem 0 .6rem;font-weight:650;letter-spacing:-.01em;"
    "overflow-wrap:anywhere}\n",
    "h2{font-size:1.3rem;line-height:1.3;margin:3rem 0 .8rem;padding-top:1.1rem;border-top:1px solid var(--line);"
    "font-weight:650}\n",
    "h3{font-size:1.02rem;margin:1.9rem 0 .5rem;font-weight:650}\n",
    "p,ul,dl{margin:.6rem 0 1rem;max-width:46rem}\n",
    "a{color:var(--accent);text-underline-offset:.15em;text-decoration-thickness:1px}\n",
    ".kicker{margin:0;color:var(--soft);font-size:.85rem;letter-spacing:.04em}\n",
    ".lede{font-size:1.2rem;line-height:1.5;color:var(--soft);margin-top:0}\n",
    "p.answer{font-size:1.08rem}\n",
    ".soft,figcaption{color:var(--soft);font-size:.88rem}\n",
    "figcaption{margin-top:.5rem;max-width:46rem;overflow-wrap:anywhere}\n",
    "nav{margin:1.6rem 0 0;font-size:.93rem}\n",
    "nav ol{list-style:none;margin:0;padding:0;display:flex;flex-wrap:wrap;gap:.15rem 1.2rem}\n",
    "nav a{text-decoration:none}nav a:hover{text-decoration:underline}\n",
    "dl{display:grid;grid-template-columns:max-content 1fr;gap:.3rem 1.2rem}\n",
    "dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}\n",
    ".scroll{overflow-x:auto;margin:.8rem 0 1.2rem;background:var(--panel);border:1px solid var(--line);"
    "border-radius:6px}\n",
    "table{border-collapse:collapse;font-size:.88rem;line-height:1.45;width:100%;font-variant-numeric:tabular-nums}\n",
    "th,td{padding:.42rem .75rem;text-align:left;vertical-align:top;border-bottom:1px solid var(--line)}\n",
    "tr:last-child>td,tr:last-child>th{border-bottom:0}\n",
    "thead th{font-weight:600;color:var(--soft);white-space:nowrap;vertical-align:bottom}\n",
    "tbody th{font-weight:500;white-space:nowrap}\n",
    "tbody th.long{white-space:normal;min-width:13rem}\n",
    "td.n,th.n{text-align:right;white-space:nowrap}td.nowrap{white-space:nowrap}td.words{min-width:15rem}\n",
    "tr.group th{background:var(--page);color:var(--soft);font-weight:600}\n",
    "small{display:block;color:var(--soft);font-size:.82em;line-height:1.35;font-weight:400}\n",
    ".effects td.n,.effects th.n{padding-left:.45rem;padding-right:.5rem}\n",
    ".verdict{font-weight:600;white-space:nowrap}\n",
    ".verdict.different{color:var(--c1)}.equivalent{color:var(--good)}.undecided{color:var(--soft)}.blunt{color:var(--"
    "wary)}"
    ".good{color:var(--good)}.bad{color:var(--bad)}\n",
    ".notice{border-left:3px solid var(--wary);padding:.5rem .9rem;background:var(--panel);max-width:46rem}\n",
    "code,pre{font-family:ui-monospace,\"DejaVu Sans Mono\",\"Liberation Mono\",Menlo,monospace;font-size:.88em}\n",
    "pre{background:var(--panel);border:1px solid var(--line);border-radius:6px;padding:.8rem 1rem;overflow-x:auto}\n",
    ".hash{overflow-wrap:anywhere;font-family:ui-monospace,\"DejaVu Sans Mono\",monospace;font-size:.82em;"
    "min-width:14rem}\n",
    "details{margin:.6rem 0}summary{cursor:pointer;color:var(--accent);padding:.25rem 0}\n",
    "figure{margin:1.2rem 0 1.8rem}\n",
    ".pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,25rem),1fr));gap:0 1.6rem}\n",
    ".pair figure{margin:.6rem 0 1.2rem;min-width:0}\n",
    ".thirds{display:grid;grid-template-columns:repeat(3,minmax(0,1fr));gap:0 1rem}.thirds figure{margin:.4rem 0}\n",
    /* of a small figure the words cannot be read; its caption has them, and a pointer is told the numbers */
    ".thirds .figure text,.thirds .figure .strip{display:none}.thirds figcaption{font-size:.8rem;margin-top:0}\n",
    "table.pictures{width:auto}\n",
    ".pictures td,.pictures th{border-bottom:0;padding:.4rem .45rem}\n",
    ".pictures tbody tr+tr td,.pictures tbody tr+tr th{border-top:1px solid var(--line)}\n",
    ".pictures img,.blank{display:block;width:6.9rem;height:auto;border-radius:3px;background:var(--line)}\n",
    ".blank{aspect-ratio:1;color:var(--soft);font-size:.8rem;display:grid;place-items:center}\n",
    ".pictures td{max-width:7.8rem}.pictures small{overflow-wrap:anywhere}\n",
    ".pictures tbody th{white-space:normal;width:9rem;min-width:7rem;overflow-wrap:anywhere}\n",
    "img.large{width:min(100%,24rem);height:auto;border-radius:4px}\n",
    "svg.figure{display:block;width:100%;height:auto;overflow:visible}\n",
    "svg.figure.wide{max-width:38rem}svg.figure.half{max-width:30rem}\n",
    ".figure text{font-size:12px;fill:var(--ink);font-variant-numeric:tabular-nums;paint-order:stroke;"
    "stroke:var(--page);stroke-width:4px;stroke-linejoin:round}\n",
    ".figure .mid{text-anchor:middle}.figure .end{text-anchor:end}\n",
    ".figure .tick{font-size:11px;fill:var(--soft)}.figure .axis{fill:var(--soft)}\n",
    ".figure .num{fill:var(--soft)}\n",
    ".figure .grid{stroke:var(--line);stroke-width:1}.figure .zero{stroke:var(--soft);stroke-width:1}\n",
    ".figure .band{fill:var(--band)}\n",
    ".figure .frame{fill:var(--panel);stroke:var(--line)}\n",
    ".figure .cell{fill:var(--heat);shape-rendering:crispEdges}\n",
    ".figure .whisker{stroke-width:2;stroke-linecap:round}\n",
    ".figure .curve{fill:none;stroke-width:1.5;stroke-opacity:.75}\n",
    ".figure .point{fill-opacity:.55}\n",
    ".figure .dot{stroke:none}.figure .bar{stroke:none}\n",
    ".whisker.c0,.curve.c0{stroke:var(--c0)}.whisker.c1,.curve.c1{stroke:var(--c1)}"
    ".whisker.c2,.curve.c2{stroke:var(--c2)}.whisker.c3,.curve.c3{stroke:var(--c3)}"
    ".whisker.c4,.curve.c4{stroke:var(--c4)}.whisker.c5,.curve.c5{stroke:var(--c5)}\n",
    ".dot.c0,.bar.c0{fill:var(--c0)}.dot.c1,.bar.c1{fill:var(--c1)}.dot.c2,.bar.c2{fill:var(--c2)}"
    ".dot.c3,.bar.c3{fill:var(--c3)}.dot.c4,.bar.c4{fill:var(--c4)}.dot.c5,.bar.c5{fill:var(--c5)}\n",
    ".bar.expected{fill:var(--soft);fill-opacity:.35}\n",
    ".controls{display:flex;flex-wrap:wrap;gap:.3rem 1.6rem}.controls input{vertical-align:middle;width:14rem}\n",
    ".explore{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,18rem),1fr));gap:1.2rem;max-width:"
    "46rem}"
    "#x-map{display:grid;gap:2px;align-items:center;margin-top:.3rem}#x-map span{font-size:.75rem;color:var(--soft);"
    "padding-right:.4rem;text-align:right;display:flex;align-items:center;justify-content:flex-end}"
    "#x-map button{border:1px solid var(--line);border-radius:2px;padding:0;min-width:0;cursor:pointer}#x-map "
    "button.chosen{outline:2px solid var(--c1)}\n",
    /* as high as the picture, not as its row: what lies over the picture is cut by it */
    "#x-image{position:relative;align-self:start;max-width:20rem}"
    "#x-image img{display:block;width:100%;height:auto;border-radius:4px}#x-image div{position:absolute;inset:0;"
    "display:grid}\n",
    /* mass as a bar below the word, which stays readable at any mass */
    "#x-words{max-width:46rem}#x-words p{margin:.2rem 0;line-height:1.9;padding-left:4rem;text-indent:-4rem}"
    "#x-words small{display:inline-block;width:4rem;text-indent:0}"
    "#x-words span{padding:0 .15rem;border-radius:2px;display:inline-block;text-indent:0}"
    "#x-words .sink{outline:1px solid var(--c1);border-bottom:.3rem solid;line-height:1.4}"
    "#x-head{overflow-wrap:anywhere}\n",
    "@media (max-width:34rem){body{padding:1.4rem .9rem 3rem}h1{font-size:1.55rem}"
    "dl{grid-template-columns:1fr;gap:0}dd{margin-bottom:.5rem}"
    "table{font-size:.84rem}th,td{padding:.4rem .55rem}.pictures img,.blank{width:6.2rem}.pictures "
    "td{max-width:7.1rem}}\n",
    "@media (min-width:84rem){body{max-width:78rem;display:grid;grid-template-columns:13rem minmax(0,58rem);"
    "column-gap:3.5rem;align-content:start}header{grid-column:2}"
    "nav{grid-column:1;grid-row:1/span 2;position:sticky;top:2rem;align-self:start;margin-top:.6rem}"
    "nav ol{flex-direction:column;gap:.35rem}main{grid-column:2;min-width:0}}\n",
    "@media print{body{max-width:none;padding:0;font-size:10pt;display:block}nav{display:none}"
    "h2{break-after:avoid}figure,tr{break-inside:avoid}.scroll{overflow:visible}a{color:inherit}}\n",
    NULL,
};
