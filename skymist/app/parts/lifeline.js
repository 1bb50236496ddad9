// When the connection of a page is lost: the service has restarted, the network is down, or the login has ended.
const AGAIN_MS = 3000;

export function render({ view }) {
  const bar = document.createElement("div");
  bar.className = "life";
  bar.setAttribute("role", "alert");
  bar.hidden = true;

  const say = (text, ...more) => {
    bar.replaceChildren(text, ...more);
    bar.hidden = false;
  };

  const offerReload = () => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Reload";
    button.addEventListener("click", () => location.reload());
    say("The connection was lost: this page does not change any more. ", button);
  };

  // What is typed in the page is left where it can be copied, unless somebody has to log in again.
  const lookAgain = async () => {
    try {
      const answer = await fetch("/v1/me", { cache: "no-store" });
      if (answer.status === 401 || answer.status === 403) {
        location.assign(`/login?to=${encodeURIComponent(location.pathname + location.search)}`);
      } else if (answer.ok) {
        offerReload();
      } else {
        setTimeout(lookAgain, AGAIN_MS);
      }
    } catch {
      say("The service does not answer; trying again…");
      setTimeout(lookAgain, AGAIN_MS);
    }
  };

  view.model.document.on_event("connection_lost", lookAgain);
  return bar;
}
