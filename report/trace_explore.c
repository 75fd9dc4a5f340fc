/* The part of a trace's page that can be moved through: a slider of steps, a map of blocks and heads by the mass of
 * their heaviest key, and of the head that is clicked its sinks as tokens of the prompt and as cells of the image, with
 * their mass over steps. The record is on the page as JSON; the script reads nothing else and loads nothing. Without
 * script the rest of the page says the same in figures. */
#include "report/trace_page.h"

#include <math.h>

enum { MASS_UNIT = 10000 }; /* masses are whole numbers of 1 / MASS_UNIT */

/* Text as JSON that may stand inside <script>: '<' would begin a tag. */
static void add_string(text *out, const char *s) {
    text quoted = {0};
    text_add_json(&quoted, s);
    for (const char *c = text_for(&quoted, out); *c; c++)
        if (*c == '<') text_add(out, "\\u003c");
        else text_add_n(out, c, 1);
    text_free(&quoted);
}

/* The names of a layout's keys, by branch. */
static void add_names(const trace *t, const attn_block *b, text *out) {
    text_add(out, ",\"name\":[");
    for (int branch = 0; branch < t->branches; branch++) {
        text_add(out, branch ? ",[" : "[");
        for (int key = 0; key < b->keys; key++) {
            text name = {0};
            trace_key_name(t, (attn_branch)branch, b, key, &name);
            text_add(out, key ? "," : "");
            add_string(out, text_for(&name, out));
            text_free(&name);
        }
        text_add(out, "]");
    }
    text_add(out, "]");
}

/* Key and mass of the `top` largest keys of every site, in the order of (step, block, head, branch); -1 where none. */
static void add_sites(const trace *t, text *out) {
    attn_shape s = attn_run_shape(t->run);
    text_add(out, ",\"sinks\":[");
    for (int i = 0; i < s.steps * s.blocks * s.heads * t->branches; i++) {
        const attn_sink *sink;
        int branch = i % t->branches, site = i / t->branches;
        int n = attn_run_sinks(t->run, site / s.heads / s.blocks, site / s.heads % s.blocks, site % s.heads,
                               (attn_branch)branch, &sink);
        for (int k = 0; k < t->measure->top; k++) {
            text_add(out, i + k ? "," : "");
            if (k < n) text_addf(out, "%d,%ld", sink[k].key, lround((double)sink[k].mass * MASS_UNIT));
            else text_add(out, "-1,0");
        }
    }
    text_add(out, "]");
}

static void add_layouts(const trace *t, text *out) {
    text_add(out, ",\"layout\":[");
    for (int layout = 0; layout < trace_layouts(t); layout++) {
        const attn_block *b = trace_layout(t, layout);
        text_addf(out, "%s{\"keys\":%d,\"segment\":[", layout ? "," : "", b->keys);
        for (int i = 0; i < b->n_segments; i++) {
            const attn_segment *s = &b->segment[i];
            text_addf(out, "%s{\"start\":%d,\"length\":%d,\"width\":%d,\"name\":", i ? "," : "", s->start, s->length,
                      s->kind == SEGMENT_IMAGE ? s->grid_width : 0);
            add_string(out, s->name);
            text_add(out, "}");
        }
        text_add(out, "]");
        add_names(t, b, out);
        text_add(out, "}");
    }
    text_add(out, "],\"block\":[");
    for (int i = 0; i < t->sites->blocks; i++) {
        text_addf(out, "%s{\"layout\":%d,\"heads\":%d,\"name\":", i ? "," : "", t->block[i].layout, t->block[i].heads);
        add_string(out, t->block[i].name);
        text_add(out, "}");
    }
    text_add(out, "]");
}

static void add_data(const trace *t, text *out) {
    attn_shape s = attn_run_shape(t->run);
    text_add(out, "<script type=\"application/json\" id=\"trace-data\">");
    text_addf(out, "{\"steps\":%d,\"blocks\":%d,\"heads\":%d,\"branches\":%d,\"top\":%d,\"unit\":%d", s.steps, s.blocks,
              s.heads, t->branches, t->measure->top, (int)MASS_UNIT);
    add_layouts(t, out);
    add_sites(t, out);
    text_add(out, "}</script>\n");
}

/* Strings in a list: C11 promises no more than 4,095 characters in one. */
static const char *const SCRIPT[] = {
    "<script>(()=>{'use strict';\n"
    "const $=id=>document.getElementById(id),D=JSON.parse($('trace-data').textContent);\n"
    "const at={step:0,branch:0,block:0,head:0};\n"
    "const sinks=(step,block,head)=>{const n=2*D.top,\n"
    " i=(((step*D.blocks+block)*D.heads+head)*D.branches+at.branch)*n,out=[];\n"
    " for(let k=0;k<n;k+=2)if(D.sinks[i+k]>=0)out.push({key:D.sinks[i+k],mass:D.sinks[i+k+1]/D.unit});\n"
    " return out};\n"
    "const G=()=>D.layout[D.block[at.block].layout];\n"
    "const most=(step,block,head)=>{const s=sinks(step,block,head);return s.length?s[0].mass:0};\n"
    "let largest=0;\n"
    "for(let s=0;s<D.steps;s++)for(let b=0;b<D.blocks;b++)for(let h=0;h<D.heads;h++)\n"
    " for(at.branch=0;at.branch<D.branches;at.branch++)largest=Math.max(largest,most(s,b,h));\n"
    "at.branch=0;at.step=Math.floor(D.steps/2); /* begin at the strongest head, half way */\n"
    "for(let b=0;b<D.blocks;b++)for(let h=0;h<D.heads;h++)\n"
    " if(most(at.step,b,h)>most(at.step,at.block,at.head)){at.block=b;at.head=h}\n"
    "const shade=m=>'color-mix(in srgb,var(--heat) '+(100*Math.sqrt(m/(largest||1))).toFixed(1)+'%,var(--page))';\n"
    "const percent=m=>(100*m).toFixed(m<0.1?1:0)+' %';\n",

    "/* the map: a button a head */\n"
    "const map=$('x-map');map.style.gridTemplateColumns='auto repeat('+D.heads+',1fr)';\n"
    "const cell=[];\n"
    "/* rows low enough for a model of many blocks; a number where there is room for one */\n"
    "const row=Math.max(8,Math.min(36,Math.floor(400/D.blocks))),every=Math.ceil(14/(row+2));\n"
    "for(let b=0;b<D.blocks;b++){const l=document.createElement('span');if(b%every===0)l.textContent=b;map.append(l);\n"
    " l.title=D.block[b].name;l.style.height=row+'px';\n"
    " for(let h=0;h<D.heads;h++){if(h>=D.block[b].heads){cell.push(null);map.append(document.createElement('span'));"
    "continue}\n"
    "  const c=document.createElement('button');c.type='button';c.style.height=row+'px';\n"
    "  c.onclick=()=>{at.block=b;at.head=h;draw()};cell.push(c);map.append(c)}}\n"
    "/* the image, with the grid of the block's image keys over it where it has any */\n"
    "let image,place=[],drawn=-1;\n"
    "const lay=()=>{if(drawn===D.block[at.block].layout)return;drawn=D.block[at.block].layout;\n"
    " image=G().segment.find(s=>s.width>0);place=[];$('x-image').textContent='';if(!image)return;\n"
    " const picture=document.querySelector('img.large').cloneNode();picture.alt='';$('x-image').append(picture);\n"
    " const "
    "grid=document.createElement('div');grid.style.gridTemplateColumns='repeat('+image.width+',minmax(0,1fr))';\n"
    " grid.style.gridTemplateRows='repeat('+image.length/image.width+',minmax(0,1fr))';\n"
    " for(let i=0;i<image.length;i++){const c=document.createElement('i');place.push(c);grid.append(c)}\n"
    " $('x-image').append(grid)};\n",

    "const draw=()=>{\n"
    " lay();$('x-step').value=at.step;$('x-step-out').textContent=at.step;\n"
    " cell.forEach((c,i)=>{if(!c)return;const b=Math.floor(i/D.heads),h=i%D.heads,m=most(at.step,b,h);\n"
    "  c.style.background=shade(m);c.title='block '+b+', head '+h+': '+percent(m);\n"
    "  c.className=b===at.block&&h===at.head?'chosen':''});\n"
    " const now=sinks(at.step,at.block,at.head);\n"
    " $('x-head').textContent='Block '+at.block+' ('+D.block[at.block].name+'), head '+at.head+', step '+at.step+': "
    "'+\n"
    "  (now.length?now.map(s=>G().name[at.branch][s.key]+' '+percent(s.mass)).join(', '):'not measured');\n"
    " place.forEach((c,i)=>{const s=now.find(x=>x.key===image.start+i);\n"
    "  c.style.background=s?'color-mix(in srgb,var(--c1) "
    "'+(20+80*s.mass/(now[0].mass||1)).toFixed(0)+'%,transparent)':'';\n"
    "  c.title=s?G().name[at.branch][s.key]+': '+percent(s.mass):''});\n"
    " const words=$('x-words');words.textContent='';\n"
    " for(const g of G().segment)if(!g.width){const p=document.createElement('p'),l=document.createElement('small');\n"
    "  l.textContent=g.name;p.append(l);\n"
    "  for(let k=g.start;k<g.start+g.length;k++){const t=document.createElement('span'),s=now.find(x=>x.key===k);\n"
    "   const name=G().name[at.branch][k],word=name.match(/'(.*)'$/);\n"
    "   t.textContent=word?word[1]:name.includes('start')?'\\u25b7':name.includes('end')?'\\u25a0':'\\u00b7';\n"
    "   t.title=name+(s?': '+percent(s.mass):'');if(s){t.style.borderColor=shade(s.mass);t.className='sink'}\n"
    "   p.append(t,' ')}\n"
    "  words.append(p)}\n"
    " curve()};\n",

    "/* mass over steps of the head's heaviest key of this step, and of whichever is heaviest */\n"
    "const svg=(tag,a)=>{const e=document.createElementNS('http://www.w3.org/2000/svg',tag);\n"
    " for(const k in a)e.setAttribute(k,a[k]);return e};\n"
    "const curve=()=>{const box=$('x-curve'),W=460,H=150,L=44,B=H-26;box.textContent='';\n"
    " const key=(sinks(at.step,at.block,at.head)[0]||{key:-1}).key,own=[],top=[];\n"
    " for(let s=0;s<D.steps;s++){const k=sinks(s,at.block,at.head),f=k.find(x=>x.key===key);\n"
    "  top.push(k.length?k[0].mass:0);own.push(f?f.mass:0)}\n"
    " const high=Math.max(...top,1/G().keys)*1.05,x=s=>L+(W-L-8)*s/Math.max(1,D.steps-1),y=m=>B-(B-8)*m/high;\n"
    " const line=(v,c)=>box.append(svg('polyline',{class:'curve '+c,points:v.map((m,s)=>x(s)+','+y(m)).join(' ')}));\n"
    " box.append(svg('line',{class:'zero',x1:L,x2:W-8,y1:B,y2:B}),\n"
    "  svg('line',{class:'grid',x1:x(at.step),x2:x(at.step),y1:8,y2:B}));\n"
    " line(top,'c5');line(own,'c1');\n"
    " const say=(s,x,y,c)=>{const t=svg('text',{x:x,y:y,class:c});t.textContent=s;box.append(t)};\n"
    " say(percent(high/1.05),L-6,y(high/1.05)+4,'tick end');say('0',L-6,B+4,'tick end');\n"
    " say('step '+at.step,x(at.step),B+17,'tick mid');\n"
    " $('x-key').textContent=key<0?'':'Orange: mass of '+G().name[at.branch][key]+' (0 where it is not among the "
    "'+D.top+\n"
    "  ' heaviest). Grey: mass of the heaviest key.'};\n"
    "$('x-step').max=D.steps-1;$('x-step').oninput=e=>{at.step=+e.target.value;draw()};\n"
    "$('x-branch').onchange=e=>{at.branch=+e.target.value;draw()};if(D.branches<2)$('x-branch').disabled=true;\n"
    "$('x').hidden=false;draw()})()</script>\n",
    NULL};

void trace_add_explorer(const trace *t, text *out) {
    text_add(
        out,
        "<noscript><p class=\"soft\">With scripts allowed, this part lets you step through the record; the figures "
        "below say the same at once.</p></noscript>\n"
        "<div id=\"x\" hidden><p class=\"controls\"><label>step <input type=\"range\" id=\"x-step\" min=\"0\" "
        "value=\"0\" /> <output id=\"x-step-out\">0</output></label> <label>branch <select id=\"x-branch\">"
        "<option value=\"0\">conditional</option><option value=\"1\">unconditional</option></select></label></p>\n"
        "<div class=\"explore\"><div><small>blocks (down) × heads: mass of the heaviest key; click one</small>"
        "<div id=\"x-map\"></div></div><div id=\"x-image\"></div></div>\n"
        "<p id=\"x-head\"></p>\n<div id=\"x-words\"></div>\n"
        "<svg id=\"x-curve\" class=\"figure half\" viewBox=\"0 0 460 150\" role=\"img\"></svg>\n"
        "<p class=\"soft\" id=\"x-key\"></p></div>\n");
    add_data(t, out);
    for (int i = 0; SCRIPT[i]; i++) text_add(out, SCRIPT[i]);
}
