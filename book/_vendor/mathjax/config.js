/* Loaded (deferred) just before MathJax itself. It is a file, not an inline script, so that quizzes in the page, which run
   while the page is parsed, never meet a MathJax that is configured but not there yet. */
window.MathJax = {
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
