// How far a reader is: a bar at the top of a chapter, answers and solved exercises, remembered in this browser alone.
(() => {
  const KEY = "ladders-of-latents";
  const chapterOf = (address) => (address.match(/chapters\/(\w+)\.html/) || [])[1];

  function load() {
    try { return JSON.parse(localStorage.getItem(KEY)) || {}; } catch { return {}; }
  }
  const all = load();
  function save() {
    try { localStorage.setItem(KEY, JSON.stringify(all)); } catch { /* a browser may forbid it: nothing is remembered then */ }
  }

  const share = (read) => `${Math.round(100 * read)} %`;
  function words(one) {
    const parts = [`${share(one.read || 0)} read`];
    if (one.questions) parts.push(`questions ${Object.values(one.answers || {}).filter((a) => a.right).length}/${one.questions}`);
    if (one.exercises) parts.push(`exercises ${(one.solved || []).length}/${one.exercises}`);
    return parts.join(" · ");
  }

  const begun = (one) => one.read > 0.02 || Object.keys(one.answers || {}).length > 0 || (one.solved || []).length > 0;
  function showInContents() {
    for (const link of document.querySelectorAll(".bd-links a[href]")) {
      const one = all[chapterOf(link.href)];
      if (!one || link.hash.length > 1 || !begun(one)) continue;
      let note = link.parentElement.querySelector(":scope > .chapter-progress");
      if (!note) {
        note = document.createElement("span");
        note.className = "chapter-progress";
        link.after(note);
      }
      note.textContent = words(one);
    }
  }

  const name = chapterOf(location.href), article = document.querySelector(".bd-article");
  showInContents();
  if (!name || !article) return;
  const here = (all[name] = { read: 0, answers: {}, solved: [], ...all[name] });

  // Reading: the share of the article that has been on the screen.
  const bar = document.createElement("div");
  bar.className = "reading-progress";
  for (const [key, value] of Object.entries({ role: "progressbar", "aria-label": "Read of this chapter", "aria-valuemin": 0, "aria-valuemax": 100 }))
    bar.setAttribute(key, value);
  (document.querySelector("main") || document.body).prepend(bar);
  let waiting = false;
  function scrolled() {
    waiting = false;
    const box = article.getBoundingClientRect();
    const at = Math.min(1, Math.max(0, (innerHeight - box.top) / box.height));
    bar.style.transform = `scaleX(${at})`;
    bar.setAttribute("aria-valuenow", Math.round(100 * at));
    if (at > here.read + 0.005 && scrollY > 0) {
      here.read = at;
      save();
      showInContents();
    }
  }
  addEventListener("scroll", () => { if (!waiting) { waiting = true; requestAnimationFrame(scrolled); } }, { passive: true });

  // Questions: the answers that were chosen, by the words of question and answer, since ids and order change.
  const said = (element) => (element ? element.textContent.trim().replace(/\s+/g, " ").slice(0, 80) : "");
  const questions = [...article.querySelectorAll(".Quiz")];
  const text = new Map(questions.map((question) => [question, said(question.querySelector("[id^='quizQn']"))]));
  here.questions = questions.length;
  const labels = new Map([...article.querySelectorAll(".Quiz .MCButton")].map((label) => [label, said(label)]));
  for (const question of questions) {
    const feedback = question.querySelector(".Feedback");
    const chosen = (here.answers[text.get(question)] || { chosen: [] }).chosen;
    for (const one of chosen) [...labels].find(([label, words]) => words === one && question.contains(label))?.[0].click();
    question.addEventListener("click", (event) => {
      const label = event.target.closest(".MCButton");
      if (!label) return;
      setTimeout(() => {
        const before = (here.answers[text.get(question)] || { chosen: [] }).chosen;
        const after = [...before.filter((one) => one !== labels.get(label)), labels.get(label)];
        here.answers[text.get(question)] = { chosen: after, right: feedback.classList.contains("correct") };
        save();
        showInContents();
      });
    });
  }

  // Exercises: a box to tick beside each of them.
  const headings = [...article.querySelectorAll("h3")].filter((heading) => /^Exercise \d/.test(heading.textContent));
  here.exercises = headings.length;
  for (const heading of headings) {
    const id = heading.closest("section").id, tick = document.createElement("input"), label = document.createElement("label");
    tick.type = "checkbox";
    tick.checked = here.solved.includes(id);
    label.className = "solved";
    label.append(tick, " I have solved this");
    heading.after(label);
    tick.addEventListener("change", () => {
      here.solved = here.solved.filter((one) => one !== id).concat(tick.checked ? [id] : []);
      save();
      showInContents();
    });
  }
  save();
  scrolled();
  showInContents();
})();
