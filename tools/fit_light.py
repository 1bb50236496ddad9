"""Fit the light of showers to events simulated photon by photon; writes `skymist/detector/tables/shower_light.csv`.

    python tools/fit_light.py CASCADES.npz TRACKS.npz [--check]

Three quantities, each the exponential of a linear function of the same features (`skymist.detector.light`):
photo-electrons per GeV, by the likelihood of the negative binomial distribution, from cascades; shape and rate of the
gamma density of arrival times, by the likelihood of quantiles of the light of modules and of the first of every ten
photons. First light is what tracks are found by, and what bulk alone gets wrong. Near showers it comes from tracks,
where the light of a module is a mixture of that of all showers along it: the few modules near cascades are too bright
for the simulation to be exact. With ``--check`` a third of the events is held out, three times, and nothing is
written. The result depends on nothing but the sets. Takes some minutes.
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import digamma, expit, gammaincc, gammaln, log_expit

from skymist.detector import light
from skymist.detector.geometry import icecube_86
from skymist.detector.ice import south_pole_ice
from skymist.simulate.losses import STEP_M, steps_of_light

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]
S = TypeVar("S", "Charges", "Times")

TABLE = Path(light.__file__).parent / "tables" / "shower_light.csv"
FAR = 300.0  # m
NEAR = {"charge": 8.0, "time": 60.0}  # m, of cascades
BESIDE = 5.0, 100.0  # m, of tracks
OVERDISPERSION = 0.04  # of the charge: the scatter of modules around any smooth model, squared
NOISE = 0.01  # PE
QUANTILES = {"cascade": 32, "track": 4}  # most of a module; there are many more modules near tracks
GROUP, GROUPS = 10, 4  # photons of which the first counts, and how many such groups a module has at most
SATURATION = 0.25  # n times of a module count as n / (1 + SATURATION n)
LEAST_SHARE = 0.03  # of the light of a module: showers that give less are left out
EARLY, LATE = -60.0, 4000.0  # ns
FLOOR = 1e-3 / 3000.0  # 1/ns: light that is none of these
RIDGE = {"charge": 1e-3, "time": 1.0}  # on coefficients of standardised features
ROUNDS = 500
THROUGH_GOING, CASCADES = 1, (3, 4)  # types of truth
NOT_OF_CHARGE = ("scattered", "absorbed")
"""Features left out there: clear layers scatter and absorb little, both, so that the charge of one ice cannot tell
which of the two it is. As a function of their product it follows other ice well; single, one of them would take all."""


@dataclass(frozen=True)
class Lit:
    """An event: showers on one line, and the photons that modules saw.

    Attributes
    ----------
    number : int
    flight : (3,) float64
    place, passed, energy : (s, 3), (s,), (s,) float64
        Where, when and with how many GeV each shower gives most light.
    module, time, pe : (n,)
        Row of the module, time in ns and charge in photo-electrons of each photon; by module, then by time.
    """

    number: int
    flight: Floats
    place: Floats
    passed: Floats
    energy: Floats
    module: Ints
    time: Floats
    pe: Floats

    def ways(self, module: Ints) -> Floats:
        """Return what the light model asks for from each shower to each module, shape (s, m, 5)."""
        position, ice = icecube_86().position[module], south_pole_ice()
        away = position - self.place[:, None]
        distance = np.maximum(np.linalg.norm(away, axis=2), 1.0)
        means = ice.means(np.broadcast_to(ice.layer(position), distance.shape), away[..., 2])
        return np.stack([distance, *means, away @ self.flight / distance, away[..., 2] / distance], axis=2)


@dataclass(frozen=True)
class Charges:
    """Modules around showers: event, features, photo-electrons, and expected ones per unit of the model's charge."""

    event: Ints
    features: Floats
    seen: Floats
    bright: Floats

    def rows(self, mask: Mask) -> Self:
        """Return the selected modules."""
        return type(self)(*(getattr(self, name)[mask] for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class Times:
    """Times of first photons, and the ways on which these may have come.

    Attributes
    ----------
    event, among, weight : (n,)
        Of each time: of how many photons it is the first.
    begin : (n,) int64
        Where its ways begin.
    features, path, delay, share : (r, 27), (r, 3), (r,), (r,) float64
        Of each way: distance (m), scattering and absorption (1/m) in `path`, delay (ns) after unscattered light, and
        the share of the module's light that comes on it.
    """

    event: Ints
    among: Floats
    weight: Floats
    begin: Ints
    features: Floats
    path: Floats
    delay: Floats
    share: Floats

    @property
    def owner(self) -> Ints:
        """The time that each way belongs to."""
        return np.repeat(np.arange(len(self.begin)), np.diff(np.append(self.begin, len(self.delay))))

    def rows(self, mask: Mask) -> Self:
        """Return the selected times."""
        size, way = np.diff(np.append(self.begin, len(self.delay)))[mask], mask[self.owner]
        of_times = self.event[mask], self.among[mask], self.weight[mask], np.cumsum(size) - size
        return type(self)(*of_times, self.features[way], self.path[way], self.delay[way], self.share[way])


def events(path: Path) -> Iterator[Lit]:
    """Yield cascades and muons that pass through; of the photons only real ones."""
    with np.load(path, allow_pickle=False) as data:
        arrays = {name: data[name] for name in data.files}
    row = icecube_86().index(np.column_stack([arrays["string"], arrays["om"]]))
    real = (arrays["src"] == 0) & (row >= 0)
    for number, truth in enumerate(arrays["truth"]):
        first, last = arrays["offsets"][number : number + 2]
        inside = first + np.flatnonzero(real[first:last])
        inside = inside[np.lexsort((arrays["time_ns"][inside], row[inside]))]
        start, flight = (np.array([truth[prefix + axis] for axis in "xyz"]) for prefix in ("", "dir_"))
        if truth["type"] in CASCADES:
            ahead, energy = np.array([light.shower_maximum(truth["energy_GeV"])]), np.array([truth["energy_GeV"]])
        elif truth["type"] == THROUGH_GOING:
            ahead, energy = along(truth, arrays["losses"][slice(*arrays["loss_offsets"][number : number + 2])])
        else:
            continue
        place, passed = start + ahead[:, None] * flight, truth["time_ns"] + ahead / light.C
        photons = row[inside], arrays["time_ns"][inside], arrays["charge_pe"][inside] / light.MEAN_CHARGE
        yield Lit(number, flight, place, passed, energy, *photons)


def along(truth: Any, losses: Floats) -> tuple[Floats, Floats]:
    """Return the light of a muon: how far along (m), and as that of showers of how many GeV."""
    length, (at, lost) = float(truth["length_m"]), losses[:, [0, 5]].T
    steps = np.append(np.arange(0, length, STEP_M), length)
    energy = truth["energy_GeV"] - np.array([lost[at < step].sum() for step in steps])
    return steps_of_light(at, lost, np.maximum(energy, 1.0), length)


def charges(event: Lit) -> Charges:
    """Return the charges of all modules around a cascade."""
    efficiency, every = icecube_86().efficiency, np.arange(len(icecube_86()))
    ways = event.ways(every)[0]
    near = np.flatnonzero((ways[:, 0] > NEAR["charge"]) & (ways[:, 0] < FAR) & (efficiency > 0))
    seen = np.bincount(event.module, event.pe, len(every))[near].astype(float)
    features = np.column_stack(light.shower_features(*ways[near].T))
    return Charges(np.full(len(near), event.number), features, seen, event.energy[0] * efficiency[near])


def times(event: Lit, charge: Floats, rng: np.random.Generator) -> Times:
    """Return the times of all modules that are to be trusted, given the coefficients of the charge."""
    kind = "cascade" if len(event.energy) == 1 else "track"
    lit, first = np.unique(event.module, return_index=True)
    ways = event.ways(lit)
    features = np.stack(light.shower_features(*np.moveaxis(ways, 2, 0)), axis=2)
    share = event.energy[:, None] * np.exp(features @ charge)
    share /= share.sum(axis=0)
    found, rows = [], []
    for k, (start, stop) in enumerate(zip(first, np.append(first[1:], len(event.module)), strict=True)):
        if not useful(event, kind, ways[:, k, 0], lit[k]):
            continue
        big = share[:, k] > LEAST_SHARE
        straight = event.passed[big] + ways[big, k, 0] * light.N_GROUP / light.C
        for when, among, weight in looks(event.time[start:stop], QUANTILES[kind], rng):
            if EARLY < when - straight.min() < LATE:
                found.append((among, weight, big.sum()))
                part = share[big, k] / share[big, k].sum()
                rows.append(np.column_stack([features[big, k], ways[big, k, :3], when - straight, part]))
    number, weights, size = np.array(found).reshape(-1, 3).T
    way = np.concatenate([np.empty((0, features.shape[2] + 5)), *rows])
    begin = (np.cumsum(size) - size).astype(np.int64)
    same = np.full(len(begin), event.number)
    return Times(same, number, weights, begin, way[:, :-5], way[:, -5:-2], way[:, -2], way[:, -1])


def useful(event: Lit, kind: str, distance: Floats, module: int) -> bool:
    """Tell whether the times of a module are to be trusted at its distance from the cascade or track."""
    if kind == "cascade":
        return bool(NEAR["time"] < distance[0] < FAR)
    away = icecube_86().position[module] - event.place[0]
    return bool(BESIDE[0] < np.linalg.norm(np.cross(away, event.flight)) < BESIDE[1])


def looks(time: Floats, quantiles: int, rng: np.random.Generator) -> list[tuple[float, int, float]]:
    """Return quantiles of the sorted times of a module, and first times of random groups, with number and weight."""
    n = len(time)
    parts, groups = min(n, quantiles), min(-(-n // GROUP), GROUPS)
    bulk = time[((np.arange(parts) + 0.5) / parts * n).astype(int)]
    some = np.array_split(rng.permutation(n)[: groups * GROUP], groups)
    by_bulk, by_first = n / (1 + SATURATION * n) / parts, 1 / (1 + SATURATION * groups)
    return [(t, 1, by_bulk) for t in bulk] + [(time[group].min(), len(group), by_first) for group in some]


def joined_charges(parts: list[Charges]) -> Charges:
    """Return all modules."""
    return Charges(*(np.concatenate([getattr(part, name) for part in parts]) for name in Charges.__dataclass_fields__))


def joined_times(parts: list[Times]) -> Times:
    """Return all times."""
    columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in Times.__dataclass_fields__}
    before = np.cumsum([0, *(len(part.delay) for part in parts)])
    columns["begin"] = np.concatenate([part.begin + n for part, n in zip(parts, before, strict=False)])
    return Times(**columns)


def charge_loss(sample: Charges, coefficients: Floats) -> tuple[float, Floats]:
    """Return the negative log-likelihood of the charges and its gradient."""
    expected = sample.bright * np.exp(np.clip(sample.features @ coefficients, -40, 5))
    mean, alpha = expected + NOISE, OVERDISPERSION
    total = sample.seen + 1 / alpha
    value = total * np.log1p(alpha * mean) - sample.seen * np.log(mean)
    slope = (total * alpha / (1 + alpha * mean) - sample.seen / mean) * expected
    return float(value.sum()), sample.features.T @ slope


def time_loss(sample: Times, coefficients: Floats) -> tuple[float, Floats]:
    """Return the negative log-likelihood of the times and its gradient in (shape, rate, shift).

    The first of n photons has the density n p S**(n - 1), where p and the survival function S are mixtures.
    """
    half, owner = sample.features.shape[1], sample.owner
    base_shape, base_rate = light.shower_base(*sample.path.T)
    power = base_shape * np.exp(np.clip(sample.features @ coefficients[:half], -20, 8))
    shape = power + light.LEAST_SHAPE
    rate = base_rate * np.exp(np.clip(sample.features @ coefficients[half:-1], -20, 8))
    late = (sample.delay - coefficients[-1]) / light.SHOWER_RISE
    clock = np.logaddexp(0, late) * light.SHOWER_RISE + 1e-3
    turned, started = rate * clock, expit(late)
    ln_gamma = (shape - 1) * np.log(turned) - turned - gammaln(shape)
    density = sample.share * np.exp(ln_gamma + np.log(rate) + log_expit(late))
    survival = sample.share * gammaincc(shape, turned)
    p, s = (np.add.reduceat(each, sample.begin) + least for each, least in ((density, FLOOR), (survival, 1e-3)))
    value = np.log(p) + (sample.among - 1) * np.log(s)
    by_p, by_s = (sample.weight / p)[owner] * density, (sample.weight * (sample.among - 1) / s)[owner]
    falling = by_s * sample.share * np.exp(ln_gamma)  # of the survival function with what its argument is
    by_shape = by_p * (np.log(turned) - digamma(shape)) + by_s * sample.share * by_order(shape, turned)
    by_rate = by_p * (shape - turned) - falling * turned
    by_shift = -by_p * (((shape - 1) / clock - rate) * started + (1 - started) / light.SHOWER_RISE)
    by_shift += falling * rate * started
    gradient = [sample.features.T @ (by_shape * power), sample.features.T @ by_rate, [by_shift.sum()]]
    return -float(sample.weight @ value), -np.concatenate(gradient)


def by_order(shape: Floats, x: Floats) -> Floats:
    """Return by how much the upper incomplete gamma function changes with its shape."""
    step = 1e-4 * np.maximum(shape, 0.1)
    return np.asarray((gammaincc(shape + step, x) - gammaincc(shape - step, x)) / (2 * step))


def best(loss: Callable[[S, Floats], tuple[float, Floats]], sample: S, start: Floats, ridge: float) -> Floats:
    """Return the coefficients of least loss, found on standardised features."""
    k = sample.features.shape[1]
    center, width = sample.features.mean(axis=0), sample.features.std(axis=0)
    center[0], width[0] = 0.0, 1.0
    width = np.where(width > 0, width, 1.0)
    scaled = replace(sample, features=(sample.features - center) / width)
    penalised = np.ones(len(start))
    penalised[::k] = 0.0

    def objective(c: Floats) -> tuple[float, Floats]:
        value, gradient = loss(scaled, c)
        return value + ridge * float(penalised @ c**2), gradient + 2 * ridge * penalised * c

    found = minimize(objective, start, jac=True, method="L-BFGS-B", options={"maxiter": ROUNDS, "maxfun": 4000}).x
    for block in range(0, len(start) // k * k, k):
        found[block : block + k] /= width
        found[block] -= found[block + 1 : block + k] @ center[1:]
    return np.asarray(found)


def fit_charge(sample: Charges) -> Floats:
    """Return the coefficients of the charge."""
    start = np.zeros(sample.features.shape[1])
    start[0] = -8.0
    used = ~np.isin(light.SHOWER_FEATURES, NOT_OF_CHARGE)
    masked = replace(sample, features=sample.features * used)
    return best(charge_loss, masked, start, RIDGE["charge"]) * used


def fit_time(sample: Times) -> Floats:
    """Return the coefficients of shape and rate, and the shift."""
    return best(time_loss, sample, np.zeros(2 * sample.features.shape[1] + 1), RIDGE["time"])


def check(charge_sample: Charges, cascades: Times, tracks: Times) -> None:
    """Print what a model says of events that it was not fitted to."""
    for third in range(3):
        charge = fit_charge(charge_sample.rows(charge_sample.event % 3 != third))
        time = fit_time(joined_times([each.rows(each.event % 3 != third) for each in (cascades, tracks)]))
        out = charge_sample.rows(charge_sample.event % 3 == third)
        expected = out.features @ charge + np.log(out.bright)
        ratio = (np.log(np.maximum(out.seen, 0.5)) - expected)[expected > np.log(30)]
        print(f"held-out third {third}: ln(charge / expected) above 30 PE {ratio.mean():+.3f} +- {ratio.std():.3f};")
        for name, sample in (("cascades", cascades), ("tracks", tracks)):
            held = sample.rows(sample.event % 3 == third)
            first = held.rows(held.among > 1)
            nats = (f"{-time_loss(each, time)[0] / each.weight.sum():.4f}" for each in (held, first))
            print(f"    {name}: {' and '.join(nats)} nats a time and a first time")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cascades", type=Path, help="cascades simulated photon by photon")
    parser.add_argument("tracks", type=Path, help="muons simulated photon by photon")
    parser.add_argument("--check", action="store_true", help="hold out a third of the events, three times")
    arguments = parser.parse_args()
    lit = [list(events(path)) for path in (arguments.cascades, arguments.tracks)]
    charge_sample = joined_charges([charges(event) for event in lit[0]])
    charge, rng = fit_charge(charge_sample), np.random.default_rng(0)
    cascades, tracks = (joined_times([times(event, charge, rng) for event in each]) for each in lit)
    if arguments.check:
        check(charge_sample, cascades, tracks)
        return
    time, k = fit_time(joined_times([cascades, tracks])), len(charge)
    rows = zip(light.SHOWER_FEATURES, charge, time[:k], time[k : 2 * k], strict=True)
    sets = f"{arguments.cascades.name} and {arguments.tracks.name}"
    lines = [
        f"# Light of a shower in South Pole ice, version 2: made by tools/fit_light.py from {sets}",
        "# Logarithms are sums of coefficient times feature; see skymist/detector/light.py.",
        f"# shift_ns = {time[-1]:.4f}",
        "feature,charge,shape,rate",
        *(f"{name},{a:.6g},{b:.6g},{c:.6g}" for name, a, b, c in rows),
    ]
    TABLE.write_text("\n".join(lines) + "\n")
    n = len(cascades.event) + len(tracks.event)
    print(f"{len(charge_sample.seen):,} modules and {n:,} times -> {TABLE.name}")


if __name__ == "__main__":
    main()
