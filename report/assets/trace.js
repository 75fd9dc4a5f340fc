/* What moves on a trace's page (trace_explore.c): reads the record in #trace-data and nothing else, loads nothing. Of this
 * file, embed.awk leaves out this comment alone. */
(()=>{'use strict';
const $=id=>document.getElementById(id),D=JSON.parse($('trace-data').textContent);
const at={step:0,branch:0,block:0,head:0};
const sinks=(step,block,head)=>{const n=2*D.top,
 i=(((step*D.blocks+block)*D.heads+head)*D.branches+at.branch)*n,out=[];
 for(let k=0;k<n;k+=2)if(D.sinks[i+k]>=0)out.push({key:D.sinks[i+k],mass:D.sinks[i+k+1]/D.unit});
 return out};
const G=()=>D.layout[D.block[at.block].layout];
const most=(step,block,head)=>{const s=sinks(step,block,head);return s.length?s[0].mass:0};
let largest=0;
for(let s=0;s<D.steps;s++)for(let b=0;b<D.blocks;b++)for(let h=0;h<D.heads;h++)
 for(at.branch=0;at.branch<D.branches;at.branch++)largest=Math.max(largest,most(s,b,h));
at.branch=0;at.step=Math.floor(D.steps/2); /* begin at the strongest head, half way */
for(let b=0;b<D.blocks;b++)for(let h=0;h<D.heads;h++)
 if(most(at.step,b,h)>most(at.step,at.block,at.head)){at.block=b;at.head=h}
const shade=m=>'color-mix(in srgb,var(--heat) '+(100*Math.sqrt(m/(largest||1))).toFixed(1)+'%,var(--page))';
const percent=m=>(100*m).toFixed(m<0.1?1:0)+' %';
/* the map: a button a head */
const map=$('x-map');map.style.gridTemplateColumns='auto repeat('+D.heads+',1fr)';
const cell=[];
/* rows low enough for a model of many blocks; a number where there is room for one */
const row=Math.max(8,Math.min(36,Math.floor(400/D.blocks))),every=Math.ceil(14/(row+2));
for(let b=0;b<D.blocks;b++){const l=document.createElement('span');if(b%every===0)l.textContent=b;map.append(l);
 l.title=D.block[b].name;l.style.height=row+'px';
 for(let h=0;h<D.heads;h++){if(h>=D.block[b].heads){cell.push(null);map.append(document.createElement('span'));continue}
  const c=document.createElement('button');c.type='button';c.style.height=row+'px';
  c.onclick=()=>{at.block=b;at.head=h;draw()};cell.push(c);map.append(c)}}
/* the image, with the grid of the block's image keys over it where it has any */
let image,place=[],drawn=-1;
const lay=()=>{if(drawn===D.block[at.block].layout)return;drawn=D.block[at.block].layout;
 image=G().segment.find(s=>s.width>0);place=[];$('x-image').textContent='';if(!image)return;
 const picture=document.querySelector('img.large').cloneNode();picture.alt='';$('x-image').append(picture);
 const grid=document.createElement('div');grid.style.gridTemplateColumns='repeat('+image.width+',minmax(0,1fr))';
 grid.style.gridTemplateRows='repeat('+image.length/image.width+',minmax(0,1fr))';
 for(let i=0;i<image.length;i++){const c=document.createElement('i');place.push(c);grid.append(c)}
 $('x-image').append(grid)};
const draw=()=>{
 lay();$('x-step').value=at.step;$('x-step-out').textContent=at.step;
 cell.forEach((c,i)=>{if(!c)return;const b=Math.floor(i/D.heads),h=i%D.heads,m=most(at.step,b,h);
  c.style.background=shade(m);c.title='block '+b+', head '+h+': '+percent(m);
  c.className=b===at.block&&h===at.head?'chosen':''});
 const now=sinks(at.step,at.block,at.head);
 $('x-head').textContent='Block '+at.block+' ('+D.block[at.block].name+'), head '+at.head+', step '+at.step+': '+
  (now.length?now.map(s=>G().name[at.branch][s.key]+' '+percent(s.mass)).join(', '):'not measured');
 place.forEach((c,i)=>{const s=now.find(x=>x.key===image.start+i);
  c.style.background=s?'color-mix(in srgb,var(--c1) '+(20+80*s.mass/(now[0].mass||1)).toFixed(0)+'%,transparent)':'';
  c.title=s?G().name[at.branch][s.key]+': '+percent(s.mass):''});
 const words=$('x-words');words.textContent='';
 for(const g of G().segment)if(!g.width){const p=document.createElement('p'),l=document.createElement('small');
  l.textContent=g.name;p.append(l);
  for(let k=g.start;k<g.start+g.length;k++){const t=document.createElement('span'),s=now.find(x=>x.key===k);
   const name=G().name[at.branch][k],word=name.match(/'(.*)'$/);
   t.textContent=word?word[1]:name.includes('start')?'\u25b7':name.includes('end')?'\u25a0':'\u00b7';
   t.title=name+(s?': '+percent(s.mass):'');if(s){t.style.borderColor=shade(s.mass);t.className='sink'}
   p.append(t,' ')}
  words.append(p)}
 curve()};
/* mass over steps of the head's heaviest key of this step, and of whichever is heaviest */
const svg=(tag,a)=>{const e=document.createElementNS('http://www.w3.org/2000/svg',tag);
 for(const k in a)e.setAttribute(k,a[k]);return e};
const curve=()=>{const box=$('x-curve'),W=460,H=150,L=44,B=H-26;box.textContent='';
 const key=(sinks(at.step,at.block,at.head)[0]||{key:-1}).key,own=[],top=[];
 for(let s=0;s<D.steps;s++){const k=sinks(s,at.block,at.head),f=k.find(x=>x.key===key);
  top.push(k.length?k[0].mass:0);own.push(f?f.mass:0)}
 const high=Math.max(...top,1/G().keys)*1.05,x=s=>L+(W-L-8)*s/Math.max(1,D.steps-1),y=m=>B-(B-8)*m/high;
 const line=(v,c)=>box.append(svg('polyline',{class:'curve '+c,points:v.map((m,s)=>x(s)+','+y(m)).join(' ')}));
 box.append(svg('line',{class:'zero',x1:L,x2:W-8,y1:B,y2:B}),
  svg('line',{class:'grid',x1:x(at.step),x2:x(at.step),y1:8,y2:B}));
 line(top,'c5');line(own,'c1');
 const say=(s,x,y,c)=>{const t=svg('text',{x:x,y:y,class:c});t.textContent=s;box.append(t)};
 say(percent(high/1.05),L-6,y(high/1.05)+4,'tick end');say('0',L-6,B+4,'tick end');
 say('step '+at.step,x(at.step),B+17,'tick mid');
 $('x-key').textContent=key<0?'':'Orange: mass of '+G().name[at.branch][key]+' (0 where it is not among the '+D.top+
  ' heaviest). Grey: mass of the heaviest key.'};
$('x-step').max=D.steps-1;$('x-step').oninput=e=>{at.step=+e.target.value;draw()};
$('x-branch').onchange=e=>{at.branch=+e.target.value;draw()};if(D.branches<2)$('x-branch').disabled=true;
$('x').hidden=false;draw()})()
