"""What is refused before anything of a file's deployments is applied; pure."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from orchestrator.errors import InvalidDeployment, command
from orchestrator.store.deployments import DeploymentRecord, PlacedSchedule, canonical, full_name
from orchestrator.store.instants import first_after
from orchestrator.store.specs import LARGEST_SPEC, Spec
from queues.errors import NewerSchema


def refuse_doubles(specs: Sequence[Spec]) -> None:
    """Names that differ by case only count as the same: people can not tell them apart."""
    seen: dict[str, Spec] = {}
    for spec in specs:
        name = full_name(spec)
        if (other := seen.get(name.lower())) is not None:
            lines = [str(one.get("source_line")) for one in (other, spec) if one.get("source_line")]
            where = f" (lines {' and '.join(lines)})" if len(lines) == 2 else ""
            same = full_name(other) == name
            what = (
                f"the deployment {name} is declared twice"
                if same
                else f"{full_name(other)} and {name} differ only by case"
            )
            raise InvalidDeployment(f"{what}{where}", field="name")
        seen[name.lower()] = spec


def refuse_near_doubles(specs: Sequence[Spec], there: Sequence[DeploymentRecord]) -> None:
    """A new deployment whose name differs from that of another one only by case; says where the other one is from."""
    known = {one.name.lower(): one for one in there}
    for spec in specs:
        name, other = full_name(spec), known.get(full_name(spec).lower())
        if other is None or other.name == name:
            continue
        file, line = declared_at(other.spec)
        place = f"{file}" + (f":{line}" if line else "")
        text = f"{name} differs only by case from {other.name}, which was created from {place}"
        hint = f"rename it, or delete the other one first: `{command('deployment', 'delete', other.name)}`"
        raise at_its_line(InvalidDeployment(text, field="name", hint=hint), spec)


def refuse_newer(specs: Sequence[Spec], there: Sequence[DeploymentRecord]) -> None:
    """A deployment of the same name that a newer version wrote: raised before anything is sent for this one."""
    names = {full_name(spec) for spec in specs}
    for other in there:
        if other.name in names and isinstance(other.problem, NewerSchema):
            raise other.problem


def refuse_large(spec: Spec) -> None:
    """A spec is read by every agent that runs it."""
    size = len(canonical(spec))
    if size > LARGEST_SPEC:
        text = f"expected the spec of {full_name(spec)} to be at most {LARGEST_SPEC // 1024} KiB, got {size:,} bytes"
        raise at_its_line(InvalidDeployment(text, hint="keep data in files"), spec)


def unknown_queue(spec: Spec, known: Iterable[str]) -> InvalidDeployment:
    """The error of a spec whose work queue is not there, with the command that makes it."""
    name = spec["work_queue"]
    near = get_close_matches(name, sorted(known), n=1)
    meant = f"did you mean {near[0]!r}? " if near else ""
    text = f"the work queue {name!r} of {full_name(spec)} does not exist"
    hint = f"{meant}`headgate work-queue create {name}` or --create-queues makes it"
    return at_its_line(InvalidDeployment(text, field="work_queue", hint=hint), spec)


def declared_at(spec: Spec) -> tuple[str | None, int | None]:
    """The file and line that declared a deployment; its flow may be in another file."""
    return spec.get("source_file") or spec.get("path"), spec.get("source_line")


def at_its_line(error: InvalidDeployment, spec: Spec) -> InvalidDeployment:
    """The error with the place of its deployment."""
    error.file, error.line = declared_at(spec)  # type: ignore[attr-defined]
    return error


def placed(spec: Spec, now_us: int) -> list[PlacedSchedule]:
    """The schedules of a spec with their first instants after now."""
    texts = {schedule["slug"]: canonical(schedule) for schedule in spec.get("schedules") or ()}
    return [PlacedSchedule(slug=slug, text=text, next_us=first_after(text, now_us)) for slug, text in texts.items()]
