"""What Headgate runs in: Python, the packages it needs, its own installation. One sentence and one command for each."""

import sys
from collections.abc import Iterator

DEPENDENCIES = {
    **{name: name for name in ("redis", "rq", "croniter", "msgpack", "click", "structlog", "rich", "psutil")},
    **{name: name for name in ("fastapi", "uvicorn", "jinja2", "pydantic", "tzdata")},
    "dateutil": "python-dateutil",
}
"""What is imported -> the package that brings it."""


def missing(error: BaseException) -> tuple[str, str] | None:
    """What to say, and to do, of a package that Headgate needs and that is not there; None for any other error."""
    module = (getattr(error, "name", None) or "").partition(".")[0]
    if not isinstance(error, ModuleNotFoundError) or module not in DEPENDENCIES:
        return None
    package = DEPENDENCIES[module]
    message = f"the package {package}, which Headgate needs, is not installed for {sys.executable}"
    return message, f"install it: `{sys.executable} -m pip install {package}`"


def warnings() -> Iterator[str]:
    """What works here, but not as it should; for those who start a long-lived process."""
    import msgpack

    if msgpack.Packer.__module__ == "msgpack.fallback":
        yield (
            "msgpack runs without its compiled part, so every call to Redis costs more: "
            f"`{sys.executable} -m pip install --force-reinstall msgpack`, and unset MSGPACK_PUREPYTHON"
        )
    places = installations()
    if len(places) > 1:
        found = " and ".join(f"{version} in {folder}" for folder, version in places.items())
        yield (
            f"Headgate is installed {len(places)} times, {found}; which one runs depends on the order of folders: "
            f"remove one with `{sys.executable} -m pip uninstall headgate`"
        )


def installations() -> dict[str, str]:
    """Where distributions of Headgate are found, and of which version; more than one confuses agents and flows."""
    from importlib.metadata import distributions

    return {str(found.locate_file("")): found.version for found in distributions(name="headgate")}
