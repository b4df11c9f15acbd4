"""Makes three months of small FHV trip files, shaped like the published ones: same columns, same gaps, same bad rows.

Seeded: every machine gets the same trips. Run: python make_data.py [FOLDER]   (default: data/ beside this file)
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from trip_files import FOLDER, path_of

MONTHS = ("2021-01", "2021-02", "2021-03")
TRIPS_PER_MONTH = 30_000
SEED = 20_210_115
ZONES = 265
BASES = 120


def make(folder: Path = FOLDER) -> list[Path]:
    """Write the months that are missing and return the paths of all; a month that is there is left as it is."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, month in enumerate(MONTHS):
        target = path_of(month, folder)
        if target.exists():
            continue
        unfinished = target.with_suffix(".unfinished")
        trips(month, np.random.default_rng([SEED, number])).to_parquet(unfinished, index=False)
        unfinished.rename(target)  # a flow that starts meanwhile sees a whole file or none
    return [path_of(month, folder) for month in MONTHS]


def trips(month: str, random: np.random.Generator) -> pd.DataFrame:
    """One month of trips, in order of pick-up, with the gaps and mistakes of the real files."""
    count = TRIPS_PER_MONTH
    pickup = _pickups(month, count, random)
    base = random.zipf(1.4, count) % BASES
    origin, target = _zones(count, random), _zones(count, random)
    minutes = _with_mistakes(_durations(pickup, origin, target, random), random)
    number = np.array([f"B{n:05d}" for n in np.random.default_rng(SEED).choice(3_500, BASES, replace=False)])
    affiliated = np.where(random.random(count) < 0.12, number[base - 1], number[base])
    frame = pd.DataFrame(
        {
            "dispatching_base_num": number[base],
            "pickup_datetime": pickup,
            "dropOff_datetime": pickup + pd.to_timedelta((minutes * 60).round(), unit="s"),
            "PUlocationID": _with_gaps(origin, base, (0.90, 0.35), random),
            "DOlocationID": _with_gaps(target, base, (0.17, 0.05), random),
            "SR_Flag": pd.Series([None] * count, dtype="object"),
            # Some bases fill the field to a fixed width with blanks, and some leave it empty.
            "Affiliated_base_number": np.where(base % 7 == 0, np.char.ljust(affiliated, 15), affiliated),
        },
    )
    frame.loc[random.random(count) < 0.002, "Affiliated_base_number"] = None
    doubled = frame.sample(frac=0.001, random_state=SEED)  # a base that reports the same trips twice
    return pd.concat([frame, doubled]).sort_values("pickup_datetime", kind="stable", ignore_index=True)


def _pickups(month: str, count: int, random: np.random.Generator) -> pd.DatetimeIndex:
    """Times within the month: two rush hours on working days, late evenings at the week-end."""
    first = pd.Timestamp(f"{month}-01")
    days = random.integers(0, first.days_in_month, count)
    weekend = (first.day_of_week + days) % 7 >= 5
    working = np.where(random.random(count) < 0.45, random.normal(8.5, 1.6, count), random.normal(17.5, 2.6, count))
    hours = np.where(weekend, random.normal(20, 4.5, count), working) % 24
    return pd.DatetimeIndex(first + pd.to_timedelta((days * 86_400 + hours * 3_600).round(), unit="s"))


def _zones(count: int, random: np.random.Generator) -> np.ndarray:
    """Taxi zones 1 to 265; a few are busy, most are quiet."""
    return (random.zipf(1.25, count) * 37) % ZONES + 1


def _durations(
    pickup: pd.DatetimeIndex, origin: np.ndarray, target: np.ndarray, random: np.random.Generator
) -> np.ndarray:
    """Minutes: the way between two zones on a map, slower in the rush hours, with the luck of the road."""
    row = np.abs(origin // 17 - target // 17)
    column = np.abs(origin % 17 - target % 17)
    way = 4.0 + 1.6 * (row + column)
    hour = pickup.hour.to_numpy()
    traffic = 1.0 + 0.35 * np.isin(hour, (7, 8, 9, 16, 17, 18, 19)) - 0.15 * (hour < 6)
    return way * traffic * random.lognormal(0.0, 0.45, len(pickup))


def _with_mistakes(minutes: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Meters never stopped (hours, days), stopped at once (seconds), or with the two times swapped (negative)."""
    kind = random.random(len(minutes))
    minutes = np.where(kind < 0.030, random.uniform(61, 9 * 60, len(minutes)), minutes)
    minutes = np.where((kind >= 0.030) & (kind < 0.032), random.uniform(1, 30, len(minutes)) * 1_440, minutes)
    minutes = np.where((kind >= 0.032) & (kind < 0.045), random.uniform(0, 0.9, len(minutes)), minutes)
    return np.where((kind >= 0.045) & (kind < 0.050), -minutes, minutes)


def _with_gaps(
    zone: np.ndarray, base: np.ndarray, missing: tuple[float, float], random: np.random.Generator
) -> np.ndarray:
    """Zones as the files hold them: floats with gaps; two bases of three hardly ever report them, the third mostly."""
    seldom, mostly = missing
    share = np.where(base % 3 != 0, seldom, mostly)
    return np.where(random.random(len(zone)) < share, np.nan, zone.astype(float))


if __name__ == "__main__":
    for path in make(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER):
        print(path, f"{path.stat().st_size / 1024:.0f} kB")
