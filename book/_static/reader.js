// Tables and programs are made as small as they may be before they scroll, and what scrolls can be reached with keys.
(() => {
  const article = document.querySelector(".bd-article");
  if (!article) return;
  const SCROLLING = ".text_html > div, .pst-scrollable-table-container, pre, div.math, mjx-container, .output, " +
    "figure > a.image-reference, figure.live";

  // Each table or program with the box that would scroll it.
  function wide() {
    const found = [];
    for (const table of article.querySelectorAll("table")) {
      const box = table.closest(".pst-scrollable-table-container, .table-wrapper, .text_html > div, .output");
      if (box) found.push({ inner: table, box, least: 11 });
    }
    for (const pre of article.querySelectorAll(".tag_idea pre")) found.push({ inner: pre, box: pre, least: 11.5 });
    for (const box of article.querySelectorAll("span.math mjx-container"))
      if (box.style.fontSize || box.scrollWidth > box.clientWidth + 1) found.push({ inner: box, box, least: 10 });
    return found;
  }

  function fit() {
    const all = wide();
    for (const one of all) {
      one.inner.style.fontSize = "";
      one.inner.classList.remove("tight");
    }
    for (const one of all) one.size = parseFloat(getComputedStyle(one.inner).fontSize);
    for (let turn = 0; turn < 4; turn += 1) {
      for (const one of all) one.share = one.box.scrollWidth > one.box.clientWidth + 1 ? one.box.clientWidth / one.box.scrollWidth : 1;
      for (const one of all) {
        if (one.share < 1 && one.box.clientWidth && one.size > one.least) {
          one.size = Math.max(one.least, one.size * Math.max(0.8, one.share - 0.005));
          one.inner.style.fontSize = `${one.size}px`;
        } else if (one.share < 1) one.inner.classList.add("tight");
      }
    }
    for (const box of article.querySelectorAll(SCROLLING)) {
      const over = box.scrollWidth > box.clientWidth + 1 && getComputedStyle(box).overflowX !== "visible";
      box.classList.toggle("scrolls", over);
      if (box.tagName === "A") continue; // a link has its place among the keys already
      if (over && box.tabIndex < 0) {
        box.tabIndex = 0;
        box.dataset.reached = "";
      } else if (!over && "reached" in box.dataset) {
        box.removeAttribute("tabindex");
        delete box.dataset.reached;
      }
    }
  }

  fit();
  let width = innerWidth;
  addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; fit(); } });
  document.addEventListener("toggle", fit, true); // what was folded had no width
  addEventListener("load", () => Promise.resolve(window.MathJax?.startup?.promise).then(fit));
})();
