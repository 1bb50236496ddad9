// A switch for notifications of the browser. Off until somebody turns it on; this browser keeps that.
const KEY = "skymist.bell";

export function render({ model }) {
  const button = document.createElement("button");
  button.type = "button";
  button.style.cssText = "font: 15px Roboto, sans-serif; padding: 4px 12px; border-radius: 4px; cursor: pointer; " +
    `border: 1px solid #8a8a8a; background: transparent; color: ${model.dark ? "#f0f0f0" : "#1a1a1a"}`;
  const possible = "Notification" in window;
  const isOn = () => possible && localStorage.getItem(KEY) === "on" && Notification.permission === "granted";
  const show = () => {
    button.textContent = isOn() ? "Notifications: on" : "Notifications: off";
    button.setAttribute("aria-pressed", String(isOn()));
    button.title = possible ? "news as notifications of this browser" : "this browser has no notifications";
    button.disabled = !possible;
  };
  button.addEventListener("click", async () => {
    if (isOn()) localStorage.setItem(KEY, "off");
    else if (await Notification.requestPermission() === "granted") localStorage.setItem(KEY, "on");
    else button.setAttribute("aria-label", "the browser does not allow notifications of this page");
    show();
  });
  let told = 0;
  const ring = () => {
    for (const each of model.news) {
      if (each.id <= told || !isOn()) continue;
      const note = new Notification("skymist", { body: each.text, tag: `skymist-${each.id}` });
      note.onclick = () => { window.focus(); location.assign(each.path); };
    }
    told = Math.max(told, ...model.news.map((each) => each.id));
  };
  model.on("news", ring);
  show();
  return button;
}
