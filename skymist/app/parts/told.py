"""Components that are told much and often."""

from typing import Any

from panel.custom import JSComponent
from panel.io.document import hold


class Told(JSComponent):
    """A component whose values hold no models and are changed by the service only.

    Panel looks for models in all values whenever one changes, and for what its design makes of them, which takes it
    longer than all else; here it need not.
    """

    def _update_properties(self, *events: Any, doc: Any) -> dict[str, Any]:
        if any(event.name == "stylesheets" for event in events):
            return dict(super()._update_properties(*events, doc=doc))
        return dict(self._process_param_change({event.name: event.new for event in events}))

    def _update_model(self, events: Any, msg: Any, root: Any, model: Any, doc: Any, comm: Any) -> None:
        values = model.data.properties()
        if not msg.keys() <= values:
            super()._update_model(events, msg, root, model, doc, comm)
            return
        ref, before = root.ref["id"], self._changing.get(root.ref["id"])
        try:
            with hold(doc):
                self._changing[ref] = self._set_on_model(msg, root, model.data)
        finally:
            del self._changing[ref]
            if before is not None:
                self._changing[ref] = before
