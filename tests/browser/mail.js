// What would keep somebody from reading this mail, at this width and in these colors: [what is wrong, where].
() => {
  const found = [];
  const note = (what, node) => found.push(`${what}: ${(node?.outerHTML || "").replace(/\s+/g, " ").slice(0, 160)}`);
  const isShown = (node) => node.getClientRects().length > 0 && !node.closest("[aria-hidden=true]");
  const width = document.documentElement.clientWidth;

  if (document.documentElement.scrollWidth > width) note("wider than the screen", document.body);
  for (const node of document.querySelectorAll("body *")) {
    const box = node.getBoundingClientRect();
    if (isShown(node) && box.width > 1 && box.height > 1 && (box.right > width + 1 || box.left < -1)) note("sticks out", node);
  }
  for (const image of document.images) {
    if (!image.alt.trim()) note("no words", image);
    if (!image.complete || !image.naturalWidth) note("not loaded", image);
  }
  for (const link of document.querySelectorAll("a[href]")) {
    const words = (link.innerText + [...link.querySelectorAll("img")].map((image) => image.alt).join("")).trim();
    if (isShown(link) && !words && !link.querySelector("[aria-hidden=true]")) note("no name", link);
  }

  // WCAG 2.2, 1.4.3: contrast of every piece of text against what lies behind it.
  const channels = (color) => (color.match(/[\d.]+/g) || []).map(Number);
  const luminance = ([red, green, blue]) => {
    const [r, g, b] = [red, green, blue].map((part) => (part /= 255) && (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * (r || 0) + 0.7152 * (g || 0) + 0.0722 * (b || 0);
  };
  const behind = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const [red, green, blue, alpha = 1] = channels(getComputedStyle(at).backgroundColor);
      if (alpha > 0) return [red, green, blue];
    }
    return [255, 255, 255];
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const node = texts.currentNode.parentElement;
    const style = getComputedStyle(node);
    if (!texts.currentNode.data.trim() || !isShown(node) || parseFloat(style.fontSize) < 8 || style.opacity === "0") continue;
    const [one, other] = [luminance(channels(style.color)), luminance(behind(node))].sort((a, b) => b - a);
    const ratio = (one + 0.05) / (other + 0.05);
    if (ratio < 4.5) note(`contrast ${ratio.toFixed(2)}`, node);
  }
  return found;
}
