/* Last of all in a page under test: looks at the page as the browser laid it out, works it, and tells the page around it
 * (pages.html) what it found: one line a check, with what is wrong. Geometry is in pixels; a record stands in the page as
 * JSON, and what is drawn is held against that. */
(() => {
    'use strict';
    const wanted = new URLSearchParams(location.search), found = [];
    const near = (a, b, tolerance = 1) => Math.abs(a - b) <= tolerance;
    const all = (query, root = document) => [...root.querySelectorAll(query)];
    const rect = e => e.getBoundingClientRect();
    const words = r => [r.left, r.top, r.right, r.bottom].map(x => x.toFixed(1)).join(' ');

    /* A check gives a list of what is wrong; the first is told. A page with a planted fault is for one check `only`. */
    const check = (name, look) => {
        if (wanted.get('only') && wanted.get('only') !== name) return;
        let problems;
        try { problems = look(); } catch (e) { problems = [String(e && e.stack || e)]; }
        found.push({name, problem: problems.length ? problems[0] + (problems.length > 1 ? ' (and ' + (problems.length - 1) + ' more)' : '') : ''});
    };

    /* ---- every page ---- */

    const requests = () => {
        const bad = [...pageRequests];
        for (const e of all('[src],[href],[srcset],[poster],[data]'))
            for (const name of ['src', 'href', 'srcset', 'poster', 'data']) {
                const value = e.getAttribute(name);
                if (value && /^\s*(https?:|ftp:|\/)/i.test(value)) bad.push(e.tagName + ' ' + name + '=' + value);
            }
        for (const e of all('style')) if (/url\(|@import/i.test(e.textContent)) bad.push('a style sheet loads something');
        return bad;
    };

    const anchors = () => {
        const bad = [], ids = all('[id]').map(e => e.id);
        for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) bad.push('two elements have the id ' + id);
        for (const a of all('a[href^="#"]')) if (!document.getElementById(a.getAttribute('href').slice(1))) bad.push(a.getAttribute('href') + ' is nowhere');
        return bad;
    };

    const scroll = () => {
        const e = document.documentElement;
        if (e.scrollWidth <= e.clientWidth) return [];
        const widest = all('body *').filter(x => !x.closest('.scroll') && rect(x).right > e.clientWidth + 0.5)[0];
        return ['the page is ' + e.scrollWidth + ' wide in a window of ' + e.clientWidth + (widest ? ': ' + widest.tagName + ' ' + widest.className : '')];
    };

    /* [r, g, b, a] of a computed colour, 0 to 1. */
    const colour = s => {
        const n = s.match(/-?[\d.]+(e-?\d+)?%?/g).map(parseFloat), unit = s.startsWith('rgb') ? 255 : 1;
        return [n[0] / unit, n[1] / unit, n[2] / unit, n.length > 3 ? n[3] : 1];
    };
    const over = (top, below) => [0, 1, 2].map(i => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
    const light = c => [0.2126, 0.7152, 0.0722].reduce((sum, w, i) => sum + w * (c[i] <= 0.04045 ? c[i] / 12.92 : ((c[i] + 0.055) / 1.055) ** 2.4), 0);
    const contrast = (a, b) => { const x = light(a), y = light(b); return (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05); };
    const grounds = new Map();
    const behind = e => {
        if (!e) return [1, 1, 1, 1];
        if (!grounds.has(e)) grounds.set(e, over(colour(getComputedStyle(e).backgroundColor), behind(e.parentElement)));
        return grounds.get(e);
    };

    const scheme = () => {
        const dark = matchMedia('(prefers-color-scheme:dark)').matches, page = light(behind(document.body));
        if (dark !== (wanted.get('scheme') === 'dark')) return ['the browser is not asked for ' + wanted.get('scheme')];
        return (dark ? page < 0.1 : page > 0.8) ? [] : ['the page is not ' + wanted.get('scheme')];
    };

    /* Text can be read: WCAG's 4.5. */
    const readable = () => {
        const bad = [], walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
        grounds.clear();
        while (walk.nextNode()) {
            const e = walk.currentNode.parentElement;
            if (!walk.currentNode.data.trim() || !e.getClientRects().length || e.closest('title,script,style,select,noscript')) continue;
            const style = getComputedStyle(e), ink = colour(e.closest('svg') ? style.fill : style.color), ground = behind(e);
            const c = contrast(over(ink, ground), ground);
            if (c < 4.5) bad.push('"' + walk.currentNode.data.trim().slice(0, 30) + '" has contrast ' + c.toFixed(2));
        }
        return bad;
    };

    const pictures = () => {
        const bad = [];
        for (const e of all('img')) {
            const r = rect(e);
            if (!e.complete || !e.naturalWidth) bad.push('a picture cannot be read');
            else if (r.width && !near(r.width / r.height, e.naturalWidth / e.naturalHeight, 0.02)) bad.push('a picture is stretched: ' + words(r));
        }
        return bad;
    };

    /* Cells of a map lie in its frame, where their row and column say; words stay in their figure. */
    const figures = () => {
        const bad = [];
        for (const svg of all('svg.figure')) {
            const box = rect(svg), frames = all('.frame', svg), cells = all('.cell', svg).filter(c => c.querySelector('title'));
            const at = cells.map(c => c.querySelector('title').textContent.match(/ (\d+), .* (\d+): /)).map(m => m && [+m[1], +m[2]]);
            if (!box.width) continue;
            for (const t of all('text', svg)) {
                const r = rect(t);
                if (t.getClientRects().length && (r.left < box.left - 1 || r.right > box.right + 1 || r.bottom > box.bottom + 2 || r.top < box.top - 2)) bad.push('"' + t.textContent + '" leaves its figure: ' + words(r) + ' in ' + words(box));
            }
            if (!cells.length) continue;
            const frame = rect(frames[frames.length - 1]), rows = Math.round(frame.height / rect(cells[0]).height), columns = Math.round(frame.width / rect(cells[0]).width);
            cells.forEach((c, i) => {
                const r = rect(c), w = frame.width / columns, h = frame.height / rows;
                if (!at[i] || !near(r.left, frame.left + at[i][1] * w) || !near(r.top, frame.top + at[i][0] * h) || r.right > frame.right + 1 || r.bottom > frame.bottom + 1)
                    bad.push(c.querySelector('title').textContent + ' is drawn at ' + words(r) + ' in ' + words(frame));
            });
        }
        return bad;
    };

    /* ---- the part of a trace that can be worked ---- */

    const record = document.getElementById('trace-data') && JSON.parse(document.getElementById('trace-data').textContent);
    const get = id => document.getElementById(id);
    const percent = m => (100 * m).toFixed(m < 0.1 ? 1 : 0) + ' %';
    const sinksAt = (step, block, head, branch) => {
        const first = (((step * record.blocks + block) * record.heads + head) * record.branches + branch) * 2 * record.top, out = [];
        for (let k = first; k < first + 2 * record.top; k += 2) if (record.sinks[k] >= 0) out.push({key: record.sinks[k], mass: record.sinks[k + 1] / record.unit});
        return out;
    };
    const heads = () => { const out = []; record.block.forEach((b, block) => { for (let head = 0; head < b.heads; head++) out.push({block, head}); }); return out; };
    /* What the page shows. */
    const shown = () => {
        const chosen = all('#x-map button').map((b, i) => b.classList.contains('chosen') ? i : -1).filter(i => i >= 0);
        return {step: +get('x-step').value, branch: +get('x-branch').value, chosen, ...heads()[chosen[0]]};
    };

    const overlay = at => {
        const layout = record.layout[record.block[at.block].layout], image = layout.segment.find(s => s.width > 0), bad = [];
        const picture = document.querySelector('#x-image img'), cells = all('#x-image i'), sinks = sinksAt(at.step, at.block, at.head, at.branch);
        if (!image) return picture ? ['a picture, where the block has no image keys'] : [];
        const p = rect(picture), rows = image.length / image.width;
        if (cells.length !== image.length) return [cells.length + ' cells for ' + image.length + ' image keys'];
        cells.forEach((c, i) => {
            const r = rect(c), w = p.width / image.width, h = p.height / rows, left = p.left + (i % image.width) * w, top = p.top + Math.floor(i / image.width) * h;
            if (!near(r.left, left) || !near(r.top, top) || !near(r.right, left + w) || !near(r.bottom, top + h))
                bad.push('cell ' + i + ' lies at ' + words(r) + ' on the picture ' + words(p));
            const heat = colour(getComputedStyle(c).backgroundColor)[3], sink = sinks.find(s => s.key === image.start + i);
            const expected = sink ? (20 + 80 * sink.mass / (sinks[0].mass || 1)) / 100 : 0;
            if (!near(heat, expected, 0.02)) bad.push('cell ' + i + ' is heated by ' + heat + ', its mass says ' + expected.toFixed(2));
        });
        return bad;
    };

    const tokens = at => {
        const layout = record.layout[record.block[at.block].layout], text = layout.segment.filter(s => !s.width), sinks = sinksAt(at.step, at.block, at.head, at.branch);
        const inText = k => text.some(s => k >= s.start && k < s.start + s.length);
        const want = sinks.filter(s => inText(s.key)).map(s => layout.name[at.branch][s.key] + ': ' + percent(s.mass)).sort();
        const have = all('#x-words .sink').map(e => e.title).sort();
        return JSON.stringify(want) === JSON.stringify(have) ? [] : ['marked are ' + have + '; the record has ' + want];
    };

    const title = at => {
        const names = record.layout[record.block[at.block].layout].name[at.branch], sinks = sinksAt(at.step, at.block, at.head, at.branch);
        const want = 'Block ' + at.block + ' (' + record.block[at.block].name + '), head ' + at.head + ', step ' + at.step + ': ' +
            (sinks.length ? sinks.map(s => names[s.key] + ' ' + percent(s.mass)).join(', ') : 'not measured');
        return get('x-head').textContent === want && get('x-step-out').textContent === String(at.step) ? [] : ['it says "' + get('x-head').textContent + '", not "' + want + '"'];
    };

    let largest = 0;
    for (let k = 0; record && k < record.sinks.length; k += 2) if (record.sinks[k] >= 0) largest = Math.max(largest, record.sinks[k + 1] / record.unit);

    const map = at => {
        const bad = [], buttons = all('#x-map button'), box = rect(get('x-map')), place = heads();
        const mass = (step, x, branch) => (sinksAt(step, x.block, x.head, branch)[0] || {mass: 0}).mass;
        if (buttons.length !== place.length) return [buttons.length + ' buttons for ' + place.length + ' heads'];
        if (at.chosen.length !== 1) bad.push(at.chosen.length + ' heads are chosen');
        buttons.forEach((b, i) => {
            const x = place[i], r = rect(b), m = mass(at.step, x, at.branch), first = buttons[place.findIndex(y => y.block === x.block)];
            if (b.title !== 'block ' + x.block + ', head ' + x.head + ': ' + percent(m)) bad.push('a button says ' + b.title);
            if (!near(parseFloat(b.style.background.match(/([\d.]+)%/)[1]), 100 * Math.sqrt(m / (largest || 1)), 0.1)) bad.push(b.title + ' is shaded by ' + b.style.background);
            if (r.left < box.left - 1 || r.right > box.right + 1 || r.bottom > box.bottom + 1 || r.width < 4) bad.push(b.title + ' lies at ' + words(r) + ' on the map ' + words(box));
            if (!near(r.top, rect(first).top) || (x.head > 0 && r.left <= rect(buttons[i - 1]).left)) bad.push(b.title + ' is not in its row');
        });
        return bad;
    };

    const curve = at => {
        const lines = all('#x-curve polyline').map(e => e.getAttribute('points').trim().split(/\s+/).map(p => p.split(',').map(Number)));
        const key = (sinksAt(at.step, at.block, at.head, at.branch)[0] || {key: -1}).key, bad = [];
        const zero = +document.querySelector('#x-curve .zero').getAttribute('y1'), marker = +document.querySelector('#x-curve .grid').getAttribute('x1');
        const series = [[], []];
        for (let s = 0; s < record.steps; s++) {
            const k = sinksAt(s, at.block, at.head, at.branch), own = k.find(x => x.key === key);
            series[0].push(k.length ? k[0].mass : 0);
            series[1].push(own ? own.mass : 0);
        }
        const peak = series[0].indexOf(Math.max(...series[0])), scale = series[0][peak] ? (zero - lines[0][peak][1]) / series[0][peak] : 0;
        lines.forEach((line, i) => {
            if (line.length !== record.steps) bad.push('a curve has ' + line.length + ' points');
            line.forEach((p, s) => { if (!near(zero - p[1], scale * series[i][s], 0.1)) bad.push('step ' + s + ' is drawn at ' + p); });
        });
        if (!near(marker, lines[0][at.step][0], 0.1)) bad.push('the mark is at ' + marker + ', step ' + at.step + ' at ' + lines[0][at.step][0]);
        return bad;
    };

    const state = () => {
        const at = shown();
        if (at.block === undefined) return ['no head is chosen'];
        return [].concat(overlay(at), tokens(at), title(at), map(at), curve(at), pictures(), scroll());
    };

    const moveSlider = () => {
        const bad = [], slider = get('x-step');
        if (+slider.min !== 0 || +slider.max !== record.steps - 1) bad.push('the slider goes from ' + slider.min + ' to ' + slider.max);
        for (const step of [0, record.steps - 1, Math.floor(record.steps / 3)]) {
            slider.value = step;
            slider.dispatchEvent(new Event('input', {bubbles: true}));
            if (+get('x-step-out').textContent !== step) bad.push('step ' + step + ' was asked for; it shows ' + get('x-step-out').textContent);
            bad.push(...state());
        }
        return bad;
    };

    const changeBranch = () => {
        const bad = [], select = get('x-branch'), before = get('x-head').textContent;
        if (record.branches < 2) return select.disabled ? [] : ['there is one branch, and the choice is open'];
        for (const branch of ['1', '0']) {
            select.value = branch;
            select.dispatchEvent(new Event('change', {bubbles: true}));
            bad.push(...state());
            if (branch === '1' && get('x-head').textContent === before) bad.push('the branch changes nothing');
        }
        return bad;
    };

    const clickHeads = () => {
        const bad = [], place = heads();
        for (let i = 0; i < place.length; i += Math.max(1, Math.floor(place.length / 7))) {
            all('#x-map button')[i].click();
            const at = shown();
            if (at.chosen[0] !== i) bad.push('head ' + i + ' was clicked, ' + at.chosen[0] + ' is chosen');
            bad.push(...state());
        }
        return bad;
    };

    /* Geometry does not depend on colours: a dark page is not worked again. */
    const explorer = () => {
        check('overlay', () => overlay(shown()));
        check('start', () => (get('x').hidden ? ['it stays hidden'] : []).concat(state()));
        if (wanted.get('scheme') === 'dark') return;
        check('slider', moveSlider);
        check('branch', changeBranch);
        check('heads', clickHeads);
    };

    const opened = () => {
        const details = all('details');
        for (const e of details) e.open = true;
        return details.length ? scroll().concat(figures(), readable()) : [];
    };

    const look = () => {
        check('requests', requests);
        check('anchors', anchors);
        check('scroll', scroll);
        check('pictures', pictures);
        check('figures', figures);
        if (wanted.get('kind') !== 'figure') {
            check('scheme', scheme);
            check('readable', readable);
            if (record) explorer();
            check('all opened', opened);
        }
        check('errors', () => pageErrors);
        parent.postMessage({found, links: all('a[href]').map(a => a.getAttribute('href')).filter(h => !h.startsWith('#'))}, '*');
    };
    addEventListener('load', () => setTimeout(look, 20)); /* a refused request is told a moment later */
})();
