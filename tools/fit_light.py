"""Fit the light of showers to cascades simulated photon by photon; writes `skymist/detector/tables/shower_light.csv`.

    python tools/fit_light.py SET.npz [--check]

Three quantities, each the exponential of a linear function of the same features (`skymist.detector.light`):
photo-electrons per GeV, by the likelihood of the negative binomial distribution; shape and rate of the gamma density
of arrival times, by the likelihood of up to eight quantiles a module. With ``--check`` a third of the events is held
out, three times, and nothing is written. The result depends on nothing but the set.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import digamma, expit, gammaln, log_expit

from skymist.detector import light
from skymist.detector.geometry import icecube_86
from skymist.detector.ice import south_pole_ice

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

TABLE = Path(light.__file__).parent / "tables" / "shower_light.csv"
NEAR, FAR = 8.0, 300.0  # m
OVERDISPERSION = 0.04  # of the charge: the scatter of modules around any smooth model, squared
NOISE = 0.01  # PE
QUANTILES, SATURATION = 8, 0.25  # n photo-electrons of a module count as n / (1 + SATURATION n)
FLOOR = 1e-3 / 3000.0  # 1/ns: light that is none of these
RIDGE = {"charge": 1e-3, "time": 1e-1}  # on coefficients of standardised features
NOT_OF_CHARGE = ("scattered", "absorbed")
"""Features left out there: clear layers scatter and absorb little, both, so that the charge of one ice cannot tell
which of the two it is. As a function of their product it follows other ice well; single, one of them would take all."""


@dataclass(frozen=True)
class Sample:
    """Modules around showers (`charge`) or times at modules (`time`), one row each.

    Attributes
    ----------
    event : (n,) int64
    features : (n, k) float64
    value : (n,) float64
        Photo-electrons, or delay in ns after unscattered light.
    weight : (n,) float64
        Expected per unit of the charge (GeV times efficiency), or weight of the time.
    path : (n, 3) float64
        Distance in m, scattering and absorption along it in 1/m.
    """

    event: NDArray[np.int64]
    features: Floats
    value: Floats
    weight: Floats
    path: Floats

    def rows(self, mask: Mask) -> "Sample":
        """Return the selected rows."""
        return Sample(self.event[mask], self.features[mask], self.value[mask], self.weight[mask], self.path[mask])


def samples(path: Path) -> tuple[Sample, Sample]:
    """Return what the charges and what the times are fitted to."""
    detector, ice = icecube_86(), south_pole_ice()
    layer = ice.layer(detector.position)
    charges, times = [], []
    with np.load(path, allow_pickle=False) as data:
        names = ("string", "om", "time_ns", "charge_pe", "src")
        offsets, truth = data["offsets"], data["truth"]
        string, om, time, charge, source = (data[name] for name in names)
    for event, shower in enumerate(truth):
        flight = np.array([shower[name] for name in ("dir_x", "dir_y", "dir_z")])
        ahead = light.shower_maximum(shower["energy_GeV"])
        center = np.array([shower[name] for name in "xyz"]) + ahead * flight
        away = detector.position - center
        distance = np.maximum(np.linalg.norm(away, axis=1), 1.0)
        cos_psi, cos_eta = away @ flight / distance, away[:, 2] / distance
        ways = np.column_stack([distance, *ice.means(layer, away[:, 2])])
        features = np.column_stack(np.broadcast_arrays(*light.shower_features(*ways.T, cos_psi, cos_eta)))
        pulses = slice(*offsets[event : event + 2])
        row = detector.index(np.column_stack([string[pulses], om[pulses]]))
        real = (source[pulses] == 0) & (row >= 0)
        row, pe = row[real], charge[pulses][real] / light.MEAN_CHARGE
        delay = time[pulses][real] - shower["time_ns"] - ahead / light.C - distance[row] * light.N_GROUP / light.C
        near = np.flatnonzero((distance > NEAR) & (distance < FAR) & (detector.efficiency > 0))
        bright = shower["energy_GeV"] * detector.efficiency
        seen = np.bincount(row, pe, len(detector))
        charges.append(Sample(np.full(len(near), event), features[near], seen[near], bright[near], ways[near]))
        good = np.isin(row, near) & (delay > -60) & (delay < 4000)
        who, when, weight = quantiles(row[good], delay[good], pe[good])
        times.append(Sample(np.full(len(who), event), features[who], when, weight, ways[who]))
    return joined(charges), joined(times)


def joined(parts: list[Sample]) -> Sample:
    """Return all rows."""
    names = ("event", "features", "value", "weight", "path")
    return Sample(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def quantiles(row: NDArray[np.int64], time: Floats, pe: Floats) -> tuple[NDArray[np.int64], Floats, Floats]:
    """Return module, time and weight of the charge quantiles of each module."""
    found: list[tuple[int, float, float]] = []
    order = np.lexsort((time, row))
    row, time, pe = row[order], time[order], pe[order]
    first = np.flatnonzero(np.append(True, np.diff(row) != 0)) if len(row) else np.empty(0, np.int64)
    for start, stop in zip(first, np.append(first[1:], len(row)), strict=True):
        sums = np.cumsum(pe[start:stop])
        number = int(np.clip(round(sums[-1]), 1, QUANTILES))
        at = np.searchsorted(sums, sums[-1] * (np.arange(number) + 0.5) / number)
        weight = sums[-1] / (1 + SATURATION * sums[-1]) / number
        found += [(int(row[start]), float(time[start + k]), weight) for k in np.minimum(at, stop - start - 1)]
    table = np.array(found).reshape(-1, 3)
    return table[:, 0].astype(np.int64), table[:, 1], table[:, 2]


def charge_loss(sample: Sample, coefficients: Floats) -> tuple[float, Floats]:
    """Return the negative log-likelihood of the charges and its gradient."""
    expected = sample.weight * np.exp(np.clip(sample.features @ coefficients, -40, 5))
    mean, alpha = expected + NOISE, OVERDISPERSION
    total = sample.value + 1 / alpha
    value = total * np.log1p(alpha * mean) - sample.value * np.log(mean)
    slope = (total * alpha / (1 + alpha * mean) - sample.value / mean) * expected
    return float(value.sum()), sample.features.T @ slope


def time_loss(sample: Sample, coefficients: Floats) -> tuple[float, Floats]:
    """Return the negative log-likelihood of the times and its gradient in (shape, rate, shift)."""
    half = sample.features.shape[1]
    base_shape, base_rate = light.shower_base(*sample.path.T)
    power = np.exp(sample.features @ coefficients[:half] + np.log(base_shape))
    shape, rate = power + light.LEAST_SHAPE, np.exp(sample.features @ coefficients[half:-1] + np.log(base_rate))
    late = (sample.value - coefficients[-1]) / light.SHOWER_RISE
    soft = np.logaddexp(0, late)
    clock = soft * light.SHOWER_RISE + 1e-3
    log_p = (shape - 1) * np.log(rate * clock) - rate * clock + np.log(rate) - gammaln(shape) + log_expit(late)
    share = sample.weight * expit(log_p - np.log(FLOOR))
    by_shape = share * (np.log(rate * clock) - digamma(shape)) * power
    by_rate = share * (shape - rate * clock)
    by_shift = -share * (((shape - 1) / clock - rate) * expit(late) + expit(-late) / light.SHOWER_RISE)
    gradient = np.concatenate([sample.features.T @ by_shape, sample.features.T @ by_rate, [by_shift.sum()]])
    return -float((sample.weight * np.logaddexp(log_p, np.log(FLOOR))).sum()), -gradient


def best(loss: Callable[[Sample, Floats], tuple[float, Floats]], sample: Sample, start: Floats, ridge: float) -> Floats:
    """Return the coefficients of least loss, found on standardised features."""
    k = sample.features.shape[1]
    center, width = sample.features.mean(axis=0), sample.features.std(axis=0)
    center[0], width[0] = 0.0, 1.0
    width = np.where(width > 0, width, 1.0)
    scaled = Sample(sample.event, (sample.features - center) / width, sample.value, sample.weight, sample.path)
    penalised = np.ones(len(start))
    penalised[::k] = 0.0

    def objective(c: Floats) -> tuple[float, Floats]:
        value, gradient = loss(scaled, c)
        return value + ridge * float(penalised @ c**2), gradient + 2 * ridge * penalised * c

    found = minimize(objective, start, jac=True, method="L-BFGS-B", options={"maxiter": 2000, "maxfun": 4000}).x
    for block in range(0, len(start) // k * k, k):
        found[block : block + k] /= width
        found[block] -= found[block + 1 : block + k] @ center[1:]
    return np.asarray(found)


def fit(charges: Sample, times: Sample) -> tuple[Floats, Floats]:
    """Return the coefficients of the charge, and of shape, rate and shift together."""
    k = charges.features.shape[1]
    start = np.zeros(k)
    start[0] = -8.0
    used = ~np.isin(light.SHOWER_FEATURES, NOT_OF_CHARGE)
    masked = replace(charges, features=charges.features * used)
    charge = best(charge_loss, masked, start, RIDGE["charge"]) * used
    return charge, best(time_loss, times, np.zeros(2 * k + 1), RIDGE["time"])


def check(charges: Sample, times: Sample) -> None:
    """Print what a model says of events that it was not fitted to."""
    for third in range(3):
        charge, time = fit(charges.rows(charges.event % 3 != third), times.rows(times.event % 3 != third))
        out = charges.rows(charges.event % 3 == third)
        expected = out.features @ charge + np.log(out.weight)
        bright = expected > np.log(30)
        ratio = (np.log(np.maximum(out.value, 0.5)) - expected)[bright]
        held = times.rows(times.event % 3 == third)
        print(
            f"held-out third {third}: ln(charge / expected) above 30 PE {ratio.mean():+.3f} +- {ratio.std():.3f};",
            end=" ",
        )
        print(f"time {time_loss(held, time)[0] / held.weight.sum():.4f} nats a photo-electron, shift {time[-1]:.1f} ns")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("set", type=Path, help="cascades simulated photon by photon")
    parser.add_argument("--check", action="store_true", help="hold out a third of the events, three times")
    arguments = parser.parse_args()
    charges, times = samples(arguments.set)
    if arguments.check:
        check(charges, times)
        return
    charge, time = fit(charges, times)
    k = len(charge)
    rows = zip(light.SHOWER_FEATURES, charge, time[:k], time[k : 2 * k], strict=True)
    lines = [
        "# Light of a shower in South Pole ice, version 1: made by tools/fit_light.py from " + arguments.set.name,
        "# Logarithms are sums of coefficient times feature; see skymist/detector/light.py.",
        f"# shift_ns = {time[-1]:.4f}",
        "feature,charge,shape,rate",
        *(f"{name},{a:.6g},{b:.6g},{c:.6g}" for name, a, b, c in rows),
    ]
    TABLE.write_text("\n".join(lines) + "\n")
    print(f"{len(charges.value):,} modules and {len(times.value):,} times -> {TABLE.name}")


if __name__ == "__main__":
    main()
