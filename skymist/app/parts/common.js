// What several components need; it stands at the head of their scripts (assets.py).
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

// What has the focus, through all shadows.
function focused() {
  let found = document.activeElement;
  while (found?.shadowRoot?.activeElement) found = found.shadowRoot.activeElement;
  return found;
}

// Keys are not commands while somebody writes.
function isTyping() {
  const found = focused();
  return found && (["INPUT", "TEXTAREA", "SELECT"].includes(found.tagName) || found.isContentEditable);
}
