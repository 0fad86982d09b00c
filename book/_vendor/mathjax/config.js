/* Loaded (deferred) just before MathJax itself. It is a file, not an inline script, so that quizzes in the page, which run
   while the page is parsed, never meet a MathJax that is configured but not there yet. */
/* An equation that is wider than its place is made smaller, down to this share of the text; what is wider still scrolls. */
const SMALLEST = 0.57;

function fitEquations() {
  const boxes = [...document.querySelectorAll("div.math > mjx-container[display='true']")];
  const sizes = boxes.map(() => 1);
  boxes.forEach((box) => { box.style.fontSize = ""; });
  for (let turn = 0; turn < 15; turn += 1) { /* a browser rounds the size of letters, so it takes some turns */
    const shares = boxes.map((box) => box.parentElement.clientWidth / (box.parentElement.scrollWidth + 1));
    boxes.forEach((box, i) => {
      if (shares[i] > 0 && box.parentElement.scrollWidth > box.parentElement.clientWidth) {
        sizes[i] = Math.max(SMALLEST, sizes[i] * shares[i]);
        box.style.fontSize = `${100 * sizes[i]}%`;
      }
    });
  }
}

window.MathJax = {
  startup: {
    pageReady: () => MathJax.startup.defaultPageReady().then(() => {
      fitEquations();
      let width = innerWidth;
      addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; fitEquations(); } });
      document.addEventListener("toggle", fitEquations, true); /* what was folded had no width */
    })
  },
  loader: { load: [] },
  tex: {
    inlineMath: [["\\(", "\\)"], ["$", "$"]],
    displayMath: [["\\[", "\\]"], ["$$", "$$"]],
    tags: "none"
  },
  svg: { fontCache: "global", mtextInheritFont: true },
  options: {
    enableMenu: false,
    enableAssistiveMml: true,
    /* Prose is never searched for dollars: only what the builder marked as mathematics, quizzes and rich outputs. */
    ignoreHtmlClass: "bd-container|bd-header|prev-next-footer",
    processHtmlClass: "math|Quiz|JupyterQuiz|text_html|text_latex"
  }
};
