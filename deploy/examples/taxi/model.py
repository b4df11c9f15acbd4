"""The model: one-hot features and linear coefficients, kept as JSON so that any program can read and use it."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.feature_extraction import DictVectorizer
from sklearn.linear_model import LinearRegression


@dataclass(frozen=True, kw_only=True)
class TripModel:
    """Coefficients by feature name ("PUlocationID=17") and the intercept, in minutes."""

    features: dict[str, float]
    intercept: float

    def predict(self, trips: list[dict[str, str]]) -> np.ndarray:
        """Minutes for each trip; a zone the model has never seen adds nothing."""
        sums = (sum(self.features.get(f"{name}={value}", 0.0) for name, value in trip.items()) for trip in trips)
        return np.fromiter(sums, dtype=float, count=len(trips)) + self.intercept

    def save(self, path: Path, error: float) -> Path:
        """Write the model with its validation error; two runs at once leave one whole file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f"{path.name}.{os.getpid()}")
        content = {"rmse_minutes": error, "intercept": self.intercept, "features": self.features}
        unfinished.write_text(json.dumps(content, indent=1))
        unfinished.rename(path)
        return path

    @classmethod
    def load(cls, path: Path) -> "TripModel":
        """The model that `save` wrote."""
        content = json.loads(path.read_text())
        return cls(features=content["features"], intercept=content["intercept"])


def fit(trips: list[dict[str, str]], minutes: np.ndarray) -> tuple[TripModel, float]:
    """The linear regression of minutes on the one-hot encoded fields, and its error on the same trips."""
    vectorizer = DictVectorizer()
    matrix = vectorizer.fit_transform(trips)
    regression = LinearRegression().fit(matrix, minutes)
    names = (str(name) for name in vectorizer.get_feature_names_out())
    features = dict(zip(names, map(float, regression.coef_), strict=True))
    model = TripModel(features=features, intercept=float(regression.intercept_))
    return model, rmse(regression.predict(matrix), minutes)


def rmse(predicted: np.ndarray, actual: np.ndarray) -> float:
    """Root of the mean squared error."""
    return float(np.sqrt(np.mean((predicted - actual) ** 2)))
