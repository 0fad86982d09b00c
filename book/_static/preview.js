// What a link to an equation, a section, an erratum or a term leads to, shown on hover and on focus.
(() => {
  const store = document.getElementById("previews");
  if (!store) return;
  const texts = JSON.parse(store.textContent);
  const box = document.createElement("div");
  box.className = "preview-box";
  box.id = "preview-box";
  box.setAttribute("role", "tooltip");
  box.hidden = true;
  document.body.append(box);
  let link = null;

  function place() {
    const at = link.getBoundingClientRect(), size = box.getBoundingClientRect();
    const left = Math.max(8, Math.min(at.left, innerWidth - size.width - 8));
    const below = at.bottom + 6, above = at.top - size.height - 6;
    box.style.left = `${left + scrollX}px`;
    box.style.top = `${(below + size.height > innerHeight && above > 0 ? above : below) + scrollY}px`;
  }

  async function show(target) {
    const text = texts[decodeURIComponent(target.hash.slice(1))];
    if (!text) return;
    link = target;
    box.textContent = text;
    box.hidden = false;
    link.setAttribute("aria-describedby", box.id);
    place();
    if (window.MathJax && MathJax.typesetPromise && text.includes("\\")) {
      await MathJax.typesetPromise([box]);
      if (link === target) place();
    }
  }

  function hide() {
    if (link) link.removeAttribute("aria-describedby");
    link = null;
    box.hidden = true;
  }

  for (const target of document.querySelectorAll("a.preview")) {
    for (const event of ["pointerenter", "focus"]) target.addEventListener(event, () => show(target));
    for (const event of ["pointerleave", "blur"]) target.addEventListener(event, hide);
  }
  document.addEventListener("keydown", (event) => event.key === "Escape" && hide());
})();
