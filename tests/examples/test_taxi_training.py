"""The example's flow: which months it takes, what it keeps, what it learns, and that it runs with no Redis."""

import datetime
import subprocess
import sys

import pandas as pd
import pytest

from tests.examples.conftest import TAXI


def test_a_date_takes_the_two_months_before_it(taxi):
    assert taxi.trip_files.months_before(datetime.date(2021, 3, 15)) == ("2021-01", "2021-02")


def test_without_a_date_the_newest_two_months_are_taken(taxi):
    assert taxi.trip_files.newest_months() == ("2021-02", "2021-03")


def test_a_month_that_is_not_there_is_named_with_those_that_are(taxi):
    with pytest.raises(FileNotFoundError, match=r"no trips of 2021-04 .* there are: 2021-01, 2021-02, 2021-03"):
        taxi.trip_files.months_before(datetime.date(2021, 5, 1))


def test_only_trips_of_1_to_60_minutes_are_kept_and_unknown_zones_are_minus_one(taxi):
    start = pd.Timestamp("2021-01-01 10:00")
    ends = [start + pd.Timedelta(minutes=minutes) for minutes in (-5, 0.5, 1, 60, 61, 3000)]
    trips = pd.DataFrame(
        {"pickup_datetime": start, "dropOff_datetime": ends, "PUlocationID": None, "DOlocationID": 7.0}
    )
    kept = taxi.train.prepare_features.fn(trips, ["PUlocationID", "DOlocationID"])
    assert list(kept.duration) == [1, 60]
    assert list(kept.PUlocationID) == ["-1", "-1"]
    assert list(kept.DOlocationID) == ["7", "7"]


def test_the_model_learns_what_the_zones_tell_and_survives_its_file(taxi):
    trips = [{"PUlocationID": "1"}, {"PUlocationID": "2"}] * 10
    model, error = taxi.model.fit(trips, pd.Series([10.0, 20.0] * 10).to_numpy())
    again = taxi.model.TripModel.load(model.save(taxi.folder / "m.json", error))
    assert error == pytest.approx(0, abs=1e-6)
    assert again.predict(trips[:2]) == pytest.approx([10, 20])
    assert len(again.predict([{"PUlocationID": "never seen"}])) == 1


def test_the_flow_trains_checks_and_saves_a_model(taxi):
    assert 5 < taxi.train.main(date=datetime.date(2021, 3, 15)) < 20
    model = taxi.model.TripModel.load(taxi.folder / "models" / "model-2021-02.json")
    assert "DOlocationID=-1" in model.features


def test_the_file_runs_alone_with_no_redis_and_says_what_it_found(taxi, tmp_path):
    for path in TAXI.glob("*.py"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "data").symlink_to(taxi.folder)
    done = subprocess.run([sys.executable, "train.py"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "RMSE of validation" in done.stdout + done.stderr
    assert (tmp_path / "models" / "model-2021-03.json").exists()
