// The search page: sections and glossary terms before pages, British and American spelling alike, one slip forgiven.
(() => {
  const WEIGHT = { term: 1.5, section: 1.15, page: 1.1, exercise: 0.9, erratum: 0.85, name: 0.8 };
  const NAMES = { term: "glossary", section: "section", page: "page", exercise: "exercise", erratum: "erratum", name: "reference" };
  const COMMON = new Set("a an and are as at be by do for from how i in is it of on or the to what when with".split(" "));
  const AMERICAN = [
    [/is(ation|e|ed|es|ing|er|able)s?$/, "iz$1"], [/ys(e|ed|es|ing)$/, "yz$1"], [/our(s|ed|ing|al|able)?$/, "or$1"],
    [/tre(s|d)?$/, "ter"], [/ence$/, "ense"], [/lling$/, "ling"], [/lled$/, "led"], [/ogue$/, "og"],
  ];

  // One form for all spellings and endings of a word; it is compared, never shown.
  function form(word) {
    let found = word;
    for (const [british, american] of AMERICAN) found = found.replace(british, american);
    if (found.length > 4) found = found.replace(/ies$/, "y").replace(/([^suei])s$/, "$1").replace(/es$/, "e");
    if (found.length > 6) found = found.replace(/(ed|ing|e)$/, "");
    return found;
  }
  const words = (text) => text.toLowerCase().normalize("NFKD").replace(/[\u0300-\u036f]/g, "").match(/[\p{L}\p{N}]+/gu) || [];
  const forms = (text) => words(text).map(form);
  const within = (list, part) => part.length > 0 && ` ${list.join(" ")} `.includes(` ${part.join(" ")} `);

  // Places with the forms of their words. What a definition begins with is another name of its term.
  const places = LadderPlaces.map(([kind, page, anchor, title, text]) => {
    const count = new Map();
    for (const one of forms(text)) count.set(one, (count.get(one) || 0) + 1);
    const name = forms(title.replace(/^(Exercise )?\d+(\.\d+)? ·? ?/, ""));
    const alias = kind === "term" ? forms(text.split(/[.:,;]/)[0]) : [];
    return { kind, page, anchor, title, text, name, alias, count, all: forms(text) };
  });
  const spread = new Map();
  for (const place of places)
    for (const one of new Set([...place.name, ...place.count.keys()])) spread.set(one, (spread.get(one) || 0) + 1);
  const rare = (word) => Math.log(1 + places.length / (1 + (spread.get(word) || 0)));

  // Whether one insertion, removal, exchange or swap of neighbours makes `a` of `b`.
  function nearly(a, b) {
    if (Math.abs(a.length - b.length) > 1) return false;
    let i = 0;
    while (i < a.length && i < b.length && a[i] === b[i]) i += 1;
    const [x, y] = [a.slice(i), b.slice(i)];
    return x.slice(1) === y.slice(1) || x === y.slice(1) || x.slice(1) === y
      || (x.length > 1 && x[0] === y[1] && x[1] === y[0] && x.slice(2) === y.slice(2));
  }

  // What a word of the question may mean: itself, what it begins, or what it is one slip away from.
  function meanings(word) {
    const found = new Map();
    if (spread.has(word)) found.set(word, 1);
    if (word.length > 2) for (const other of spread.keys()) if (other !== word && other.startsWith(word)) found.set(other, 0.6);
    if (!found.size && word.length > 3) for (const other of spread.keys()) if (nearly(word, other)) found.set(other, 0.8);
    return found;
  }

  function find(question) {
    let asked = forms(question).filter((word) => !COMMON.has(word));
    if (!asked.length) asked = forms(question);
    const wanted = asked.map(meanings);
    // With slips mended, for phrases.
    const mended = asked.map((word, i) => (wanted[i].has(word) || !wanted[i].size ? word
      : [...wanted[i]].sort((a, b) => b[1] - a[1] || spread.get(b[0]) - spread.get(a[0]))[0][0]));
    const found = [];
    for (const place of places) {
      let score = 0, met = 0;
      for (const meaning of wanted) {
        let best = 0;
        for (const [word, sure] of meaning) {
          const inText = place.count.get(word) || 0, inName = place.name.includes(word) || place.alias.includes(word);
          if (inText || inName) best = Math.max(best, sure * rare(word) * ((inName ? 4 : 0) + (inText ? 1 + Math.log(inText) : 0)));
        }
        if (best > 0) met += 1;
        score += best;
      }
      if (!met) continue;
      score *= (met / wanted.length) ** 3;
      if (mended.join(" ") === place.name.join(" ")) score += 60;
      else if (mended.join(" ") === place.alias.join(" ")) score += 50;
      else if (within(place.name, mended)) score += 25 * mended.length / place.name.length + 5;
      else if (place.name.length && within(mended, place.name)) score += place.kind === "term" ? 20 : 3;
      if (mended.length > 1 && within(place.all, mended)) score += 6;
      if (place.page === "book/bibliography" || place.anchor.startsWith("references")) score /= 2; // titles of others' work
      found.push({ place, score: score * WEIGHT[place.kind], met });
    }
    const most = Math.max(0, ...found.map((one) => one.met));
    const best = Math.max(0, ...found.map((one) => one.score));
    const kept = found.filter((one) => one.met === most && one.score > 0.1 * best);
    return { mended, wanted, found: kept.sort((a, b) => b.score - a.score) };
  }

  // A few words round the first that was asked for, as text with marks.
  function excerpt(text, wanted) {
    const parts = text.split(/(\s+)/), isWanted = (part) => words(part).some((word) => wanted.some((one) => one.has(form(word))));
    const first = Math.max(0, parts.findIndex(isWanted)), from = Math.max(0, first - 16);
    const shown = document.createElement("p");
    if (from > 0) shown.append("… ");
    for (const part of parts.slice(from, from + 60)) {
      if (isWanted(part)) {
        const mark = document.createElement("mark");
        mark.textContent = part;
        shown.append(mark);
      } else shown.append(part);
    }
    if (from + 60 < parts.length) shown.append(" …");
    return shown;
  }

  const pages = new Map(places.filter((place) => place.kind === "page").map((place) => [place.page, place.title]));
  function show(question) {
    const box = document.getElementById("search-results"), status = document.createElement("p"), list = document.createElement("ul");
    const { found, wanted } = find(question);
    status.setAttribute("role", "status");
    status.textContent = found.length ? `${found.length} ${found.length === 1 ? "place" : "places"} for “${question}”`
      : `Nothing for “${question}”. The glossary and the index of exercises may help.`;
    list.className = "search";
    for (const { place } of found.slice(0, 40)) {
      const item = document.createElement("li"), link = document.createElement("a"), where = document.createElement("span");
      link.href = `${place.page}.html${place.anchor ? `#${place.anchor}` : ""}`;
      link.textContent = place.title;
      where.className = "where";
      where.textContent = place.kind === "page" ? NAMES.page : `${NAMES[place.kind]} · ${pages.get(place.page) || place.page}`;
      item.append(link, " ", where, excerpt(place.text, wanted));
      list.append(item);
    }
    box.replaceChildren(status, list);
  }

  const question = new URLSearchParams(location.search).get("q");
  if (question) {
    show(question);
    for (const field of document.querySelectorAll(".bd-search input")) field.value = question;
  }
})();
