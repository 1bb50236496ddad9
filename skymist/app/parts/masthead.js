// The head of every page; the look is kept in a cookie, which the server reads when it makes a page.
const ANGLES = [["deg", "RA/Dec in °"], ["hms", "RA/Dec in h m s"], ["galactic", "galactic"], ["local", "zenith/azimuth"]];

function keepLook(theme, angles) {
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `skymist_look=${theme}.${angles}; Path=/; Max-Age=31536000; SameSite=Lax${secure}`;
  location.reload();
}

function clock() {
  const shown = element("time", { class: "clock", role: "timer", "aria-label": "time, UTC" });
  const tick = () => {
    if (!shown.isConnected && shown.dataset.shown) return;
    if (shown.isConnected) shown.dataset.shown = "yes";
    const now = new Date().toISOString();
    shown.textContent = `${now.slice(0, 10)} ${now.slice(11, 19)} UTC`;
    setTimeout(tick, 1000 - (Date.now() % 1000));
  };
  tick();
  return shown;
}

function help(keys) {
  const rows = Object.entries(keys).map(([key, what]) =>
    element("tr", {}, element("td", {}, element("kbd", {}, key)), element("td", {}, what)));
  const close = element("button", { type: "button" }, "Close");
  const dialog = element("dialog", { "aria-label": "Keys" },
    element("h2", {}, "Keys"), element("table", {}, ...rows), close);
  close.addEventListener("click", () => dialog.close());
  return dialog;
}

// Whether somebody is typing: inside of shadow roots the document sees only their hosts.
function listen(pages, dialog) {
  let before = "";
  const press = (event) => {
    if (isTyping() || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "?") dialog.open ? dialog.close() : dialog.showModal();
    const aimed = pages.find((page) => before === "g" && page.title[0].toLowerCase() === event.key);
    if (aimed) location.assign(aimed.path);
    before = event.key;
  };
  document.addEventListener("keydown", press);
  return () => document.removeEventListener("keydown", press);
}

export function render({ model }) {
  const links = model.pages.map((page) => element("a",
    page.name === model.here ? { href: page.path, "aria-current": "page" } : { href: page.path }, page.title));
  const choice = element("select", { "aria-label": "how positions are written" },
    ...ANGLES.map(([value, name]) => element("option",
      value === model.angles ? { value, selected: "" } : { value }, name)));
  choice.addEventListener("change", () => keepLook(model.theme, choice.value));
  const other = model.theme === "dark" ? "light" : "dark";
  const theme = element("button", { type: "button", "aria-label": `${other} theme`, title: `${other} theme` },
    other === "dark" ? "☾" : "☀");
  theme.addEventListener("click", () => keepLook(other, model.angles));
  const dialog = help(model.keys);
  const keys = element("button", { type: "button", "aria-label": "keys", title: "keys" }, "?");
  keys.addEventListener("click", () => dialog.showModal());
  const leave = element("form", { method: "post", action: "/logout" },
    element("button", { type: "submit" }, "Log out"));
  const who = element("span", { class: "person" }, `${model.person} (${model.role})`);
  const root = element("header", { class: `head ${model.theme}` },
    element("h1", { class: "unseen" }, model.title),
    element("a", { class: "brand", href: "/alerts" }, "skymist"),
    element("nav", { "aria-label": "pages" }, ...links),
    element("div", { class: "tools" }, clock(), choice, theme, keys, who, leave), dialog);
  model.on?.("remove", listen(model.pages, dialog));
  return root;
}
