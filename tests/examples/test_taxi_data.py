"""The trips that the example learns from: same on every machine, with the gaps and mistakes of the published files."""

import numpy as np
import pandas as pd
import pytest

COLUMNS = [
    "dispatching_base_num",
    "pickup_datetime",
    "dropOff_datetime",
    "PUlocationID",
    "DOlocationID",
    "SR_Flag",
    "Affiliated_base_number",
]


@pytest.fixture(scope="module")
def january(taxi):
    return pd.read_parquet(taxi.trip_files.path_of("2021-01", taxi.folder))


def test_the_columns_are_those_of_the_published_files(january):
    assert list(january.columns) == COLUMNS


def test_the_same_seed_gives_the_same_trips(taxi, january):
    again = taxi.make_data.trips("2021-01", np.random.default_rng([taxi.make_data.SEED, 0]))
    pd.testing.assert_frame_equal(again, january, check_dtype=False)


def test_a_month_that_is_there_is_not_made_again(taxi):
    before = {path: path.stat().st_mtime_ns for path in taxi.folder.glob("*.parquet")}
    taxi.make_data.make(taxi.folder)
    assert len(before) == 3
    assert before == {path: path.stat().st_mtime_ns for path in taxi.folder.glob("*.parquet")}


def test_most_pick_up_zones_and_some_drop_off_zones_are_missing(january):
    gaps = january.isna().mean()
    assert 0.6 < gaps.PUlocationID < 0.9
    assert 0.05 < gaps.DOlocationID < 0.3
    assert gaps.SR_Flag == 1
    assert 0 < gaps.Affiliated_base_number < 0.01


def test_some_trips_end_before_they_begin_and_some_last_for_days(january):
    minutes = (january.dropOff_datetime - january.pickup_datetime).dt.total_seconds() / 60
    assert (minutes < 0).sum() > 50
    assert (minutes > 24 * 60).sum() > 20
    assert 0.85 < minutes.between(1, 60).mean() < 0.95


def test_every_pick_up_lies_in_its_month_and_zones_are_real(january):
    assert set(january.pickup_datetime.dt.strftime("%Y-%m")) == {"2021-01"}
    assert january.DOlocationID.dropna().between(1, 265).all()
