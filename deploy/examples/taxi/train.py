"""Trains a model of how long a taxi trip takes, from two months of FHV trips: one to learn from, one to check with.

Run it alone: python train.py            Deploy it: headgate deployment create train.py
"""

from datetime import date as Date
from datetime import timedelta
from pathlib import Path

import pandas as pd
from model import TripModel, fit, rmse
from trip_files import months_before, newest_months, path_of

from orchestrator import flow, get_run_logger, task
from orchestrator.deployments import DeploymentSpec
from orchestrator.flow_runners import SubprocessFlowRunner
from orchestrator.schedules import IntervalSchedule

HERE = Path(__file__).resolve().parent
CATEGORICAL = ["PUlocationID", "DOlocationID"]


@task
def get_paths(date: Date | None = None) -> tuple[Path, Path]:
    """The files of the two months before `date`, or of the newest two that are there."""
    train_month, val_month = months_before(date) if date else newest_months()
    get_run_logger().info("training on %s, validating on %s", train_month, val_month)
    return path_of(train_month), path_of(val_month)


@task(retries=3, retry_delay_seconds=10)
def read_data(path: Path) -> pd.DataFrame:
    """All trips of one month."""
    return pd.read_parquet(path)


@task
def prepare_features(df: pd.DataFrame, categorical: list[str], train: bool = True) -> pd.DataFrame:
    """Trips of 1 to 60 minutes with their duration; zones as text, an unknown one as -1."""
    logger = get_run_logger()
    df["duration"] = (df.dropOff_datetime - df.pickup_datetime).dt.total_seconds() / 60
    kept = df[(df.duration >= 1) & (df.duration <= 60)].copy()
    logger.info("%d of %d trips kept: the others last less than 1 or more than 60 minutes", len(kept), len(df))
    logger.info("the mean duration of %s is %.2f minutes", "training" if train else "validation", kept.duration.mean())
    kept[categorical] = kept[categorical].fillna(-1).astype("int").astype("str")
    return kept


@task
def train_model(df: pd.DataFrame, categorical: list[str]) -> TripModel:
    """A linear regression on the zones of a trip."""
    logger = get_run_logger()
    model, error = fit(df[categorical].to_dict(orient="records"), df.duration.to_numpy())
    logger.info("the model has %d features; RMSE of training %.2f minutes", len(model.features), error)
    return model


@task
def run_model(df: pd.DataFrame, categorical: list[str], model: TripModel) -> float:
    """The error of the model on trips it has not seen, in minutes."""
    error = rmse(model.predict(df[categorical].to_dict(orient="records")), df.duration.to_numpy())
    get_run_logger().info("RMSE of validation %.2f minutes", error)
    return error


@task
def save_model(model: TripModel, val_path: Path, error: float) -> Path:
    """The model's file, named after the month it was checked with."""
    path = model.save(HERE / "models" / f"model-{val_path.stem[-7:]}.json", error)
    get_run_logger().info("saved %s", path.name)
    return path


@flow
def main(date: Date | None = None) -> float:
    """Train, check, save; the result is the RMSE of validation in minutes."""
    train_path, val_path = get_paths(date).result()
    df_train = prepare_features(read_data(train_path), CATEGORICAL)
    df_val = prepare_features(read_data(val_path), CATEGORICAL, train=False)
    model = train_model(df_train, CATEGORICAL)
    error = run_model(df_val, CATEGORICAL, model).result()
    save_model(model, val_path, error).result()
    return round(error, 4)


DeploymentSpec(
    flow=main,
    name="model_training",
    schedule=IntervalSchedule(interval=timedelta(minutes=5)),
    flow_runner=SubprocessFlowRunner(warm=True),
    tags=["ml"],
    work_queue="ml",
    source="path",  # trips and models stand beside this file: its runs read and write them there
)

if __name__ == "__main__":
    main()
