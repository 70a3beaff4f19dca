// Comfort alone: marks the other half of what was followed or pointed at. Everything works without.
(() => {
  const other = id => document.getElementById(id.startsWith("o-") ? id.slice(2) : "o-" + id);
  const mark = (name, id, scroll) => {
    document.querySelectorAll("." + name).forEach(each => each.classList.remove(name));
    const found = id && other(id);
    if (!found) return;
    found.classList.add(name);
    if (scroll) found.scrollIntoView({ block: "nearest" });
  };
  const followed = () => mark("partner", location.hash.slice(1), true);
  const pointed = event => mark("near", event.target.closest("[data-cited]")?.id, false);
  addEventListener("hashchange", followed);
  for (const kind of ["mouseover", "focusin"]) addEventListener(kind, pointed);
  followed();
})();
