"""Which months of trips are there, and where."""

from datetime import date as Date
from pathlib import Path

FOLDER = Path(__file__).resolve().parent / "data"


def path_of(month: str, folder: Path | None = None) -> Path:
    """The file of a month ("2021-01")."""
    return (folder or FOLDER) / f"fhv_tripdata_{month}.parquet"


def months_before(date: Date) -> tuple[str, str]:
    """The two months before the month of `date`, the earlier one first; FileNotFoundError names what is missing."""
    number = date.year * 12 + date.month - 1
    months = tuple(f"{n // 12}-{n % 12 + 1:02d}" for n in (number - 2, number - 1))
    missing = [month for month in months if not path_of(month).exists()]
    if missing:
        there = ", ".join(months_there()) or "none: run make_data.py"
        raise FileNotFoundError(f"no trips of {' and '.join(missing)} in {FOLDER}; there are: {there}")
    return months[0], months[1]


def newest_months() -> tuple[str, str]:
    """The newest two months that are there, the earlier one first."""
    months = months_there()
    if len(months) < 2:
        raise FileNotFoundError(f"two months of trips are needed in {FOLDER}, found {len(months)}: run make_data.py")
    return months[-2], months[-1]


def months_there() -> list[str]:
    """Every month with a file, in order."""
    return sorted(path.stem[-7:] for path in FOLDER.glob("fhv_tripdata_????-??.parquet"))
