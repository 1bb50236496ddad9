from .detector_view import event as event
from .one_map import sky as sky
from .one_map import zoom as zoom
from .page import html as html
from .two_maps import difference as difference

__all__ = ["difference", "event", "html", "sky", "zoom"]
