// What keeps somebody from using this page: [what is wrong, where]. WCAG 2.2, level AA, as far as a machine can see it.
() => {
  const found = [];
  const note = (what, node) => found.push(`${what}: ${(node?.outerHTML || "").replace(/\s+/g, " ").slice(0, 120)}`);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const isShown = (node) =>
    node.getClientRects().length > 0 &&
    getComputedStyle(node).visibility === "visible" &&
    !node.closest("[aria-hidden=true]");

  // 3.1.1, 2.4.2, 1.3.1: language, title, landmarks, headings.
  if (!/^(en|fr|es)$/.test(document.documentElement.lang)) note("no language", document.documentElement);
  if (!document.title.trim()) note("no title", document.head);
  if (all("main").length !== 1) note("not one main", document.body);
  if (all("h1").length !== 1) note("not one h1", document.body);
  let level = 0;
  for (const heading of all("h1, h2, h3, h4, h5, h6")) {
    if (Number(heading.tagName[1]) > level + 1) note("heading skips a level", heading);
    level = Number(heading.tagName[1]);
  }
  const ids = all("[id]").map((node) => node.id);
  ids.filter((id, at) => ids.indexOf(id) !== at).forEach((id) => note(`id ${id} twice`));

  // 4.1.2, 3.3.2, 1.1.1: everything that can be pressed, filled in or seen has a name.
  const named = (node) => (node.getAttribute("aria-label") || node.innerText || "").trim();
  for (const field of all("input:not([type=hidden]), select, textarea").filter(isShown)) {
    if (!field.ariaLabel && ![...(field.labels || [])].some((label) => label.innerText.trim())) note("no label", field);
  }
  for (const node of all("button, a[href]").filter(isShown)) {
    if (!named(node) && !all("img[alt]", node).some((image) => image.alt)) note("no name", node);
  }
  for (const image of all("img")) if (!image.hasAttribute("alt")) note("no alt", image);
  for (const choice of all("input[type=radio]")) if (!choice.closest("fieldset")?.querySelector("legend")) note("no group", choice);
  for (const table of all("table")) if (!all("th[scope]", table).length) note("no headers", table);

  // 2.5.8: large enough to hit, unless it stands in a sentence.
  for (const node of all("button, a[href], select, input:not([type=hidden])").filter(isShown)) {
    const box = (node.closest("label") || node).getBoundingClientRect();
    const isInline = getComputedStyle(node).display === "inline";
    if (!isInline && (box.height < 24 || box.width < 24)) note("too small", node);
  }

  // 1.4.3: contrast of every piece of text against what lies behind it.
  const parse = (text) => {
    const [r, g, b, a = 1] = text.match(/[\d.]+/g).map(Number);
    return [r, g, b, a];
  };
  const over = ([r, g, b, a], [R, G, B]) => [r * a + R * (1 - a), g * a + G * (1 - a), b * a + B * (1 - a), 1];
  const ground = (node) => {
    const layers = [];
    for (let at = node; at; at = at.parentElement) layers.push(parse(getComputedStyle(at).backgroundColor));
    return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255, 1]);
  };
  const luminance = (color) => {
    const [r, g, b] = color.slice(0, 3).map((value) => {
      const part = value / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !isShown(node) || node.closest("option")) continue;
    const behind = ground(node);
    const pair = [luminance(over(parse(getComputedStyle(node).color), behind)), luminance(behind)].sort((a, b) => b - a);
    const ratio = (pair[0] + 0.05) / (pair[1] + 0.05);
    if (ratio < 4.5) note(`contrast ${ratio.toFixed(2)}`, node);
  }
  return found;
}
