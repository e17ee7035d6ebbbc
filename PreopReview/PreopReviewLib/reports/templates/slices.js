// The slices of a report, to scroll through.
(() => {
  "use strict";

  // Slices lie one below the other in one picture; the slider moves it behind a window of one slice.
  function scrollThrough(root) {
    const data = JSON.parse(root.querySelector("script").textContent), slider = root.querySelector("input[type=range]");
    const pictures = root.querySelectorAll("img"), words = root.querySelector("output");
    const show = () => {
      pictures.forEach((picture) => { picture.style.top = `${-100 * slider.value}%`; });
      words.textContent = data.positions[slider.value];
    };
    const move = (by) => { slider.value = Number(slider.value) + by; show(); };
    slider.value = data.start;
    slider.addEventListener("input", show);
    root.querySelector(".stack-view").addEventListener("wheel", (e) => {
      if (!root.contains(document.activeElement)) return; // the page scrolls until the slices are clicked
      e.preventDefault();
      move(Math.sign(e.deltaY));
    }, { passive: false });
    root.querySelector(".stack-view").addEventListener("click", () => slider.focus({ preventScroll: true }));
    root.querySelector("input[type=checkbox]").addEventListener("change", (e) => { pictures[1].hidden = !e.target.checked; });
    root.querySelector(".stack-controls").hidden = false;
    show();
  }

  document.querySelectorAll("[data-stack]").forEach(scrollThrough);
})();
