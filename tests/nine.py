"""Nine alerts of IceCube as their circulars told them: facts, in the terms of records.

Times and positions are those of GCN Circulars 21916, 23605, 27787, 29976, 30559, 31191, 33204, 33633 and 34265.
"""

import numpy as np

from skymist.model.alert import Revision

_ROWS = (
    ("170922A", 130033, 50579430, "20:54:30.43", "gold", "ehe", 77.43, (1.30, 0.80), 5.72, (0.70, 0.40), None),
    ("190104A", 131999, 68269692, "08:34:38.23", "gold", "hese", 357.98, (2.3, 2.1), -26.65, (2.2, 2.5), None),
    ("200523A", 134116, 58596690, "02:30:07.59", "bronze", "gfu", 338.64, (10.77, 6.07), 1.75, (1.84, 3.54), 4.9),
    ("210510A", 135270, 69188496, "04:50:10.73", "bronze", "gfu", 268.42, (1.47, 1.60), 3.81, (0.68, 0.64), 3.944),
    ("210730A", 135553, 7213992, "22:12:40.629", "bronze", "gfu", 105.73, (2.00, 1.85), 14.79, (0.91, 0.86), 2.542),
    ("211208A", 136015, 21306805, "20:02:51.1", "bronze", "gfu", 114.52, (2.82, 2.50), 15.56, (1.81, 1.39), 1.197),
    ("230122A", 137571, 16496893, "03:50:02.00", "bronze", "gfu", 16.79, (3.17, 2.56), 7.78, (3.44, 3.26), 3.62),
    ("230416A", 137840, 57034692, "05:22:26.15", "bronze", "gfu", 345.85, (0.41, 0.63), 9.14, (0.81, 0.76), 2.53),
    ("230724A", 138181, 66037171, "01:49:13.38", "gold", "gfu", 32.52, (0.58, 0.40), -1.87, (0.23, 0.33), 1.174),
)
PAGES = {
    "170922A": "notices_amon/50579430_130033.amon", "190104A": "notices_amon/68269692_131999.amon",
    "200523A": "notices_amon_g_b/134116_58596690.amon", "210510A": "notices_amon_g_b/135270_69188496.amon",
    "210730A": "notices_amon_g_b/135553_7213992.amon", "211208A": "notices_amon_g_b/136015_21306805.amon",
    "230122A": "notices_amon_g_b/137571_16496893.amon", "230416A": "notices_amon_g_b/137840_57034692.amon",
    "230724A": "notices_amon_g_b/138181_66037171.amon",
}  # fmt: skip
"""Of the first notices, as the circulars link them."""


def revisions() -> list[Revision]:
    """Return the nine, each as the revision that its circular tells of."""
    return [_revision(*row) for row in _ROWS]


def _revision(
    name: str, run: int, event: int, clock: str, stream: str, selection: str, ra: float, ra_errors: tuple[float, float],
    dec: float, dec_errors: tuple[float, float], far: float | None,
) -> Revision:  # fmt: skip
    time = np.datetime64(f"20{name[:2]}-{name[2:4]}-{name[4:6]}T{clock}", "ns")
    return Revision(
        run, event, time, number=1, name=f"IceCube-{name}", stream=stream, selection=selection, ra=ra, dec=dec,
        errors_90=(*ra_errors, *dec_errors), far_per_year=far,
    )  # fmt: skip
