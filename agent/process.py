"""The supervisor: one loop for all runs of an agent, five threads for Redis. Started by `agent.keeper`, never alone.

Duties, in this order:
1. Adopt the orphans of everything it will start; end when its keeper ends.
2. Reach Redis, look that its work queues exist, sweep what a dead supervisor of its name left behind, take the name,
   enter a control group of its own where that is permitted.
3. Serve: `agent.supervision` decides, `agent.shell` performs, until it decides to leave.
4. Unregister, and end with 0. Exit codes of refusals stand in `agent.options`.
"""

import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from typing import NoReturn

from agent import events
from agent.background_writer import BackgroundWriter
from agent.calls import Calls
from agent.claiming import Claiming
from agent.control_group import ControlGroup, enter
from agent.errors import AgentError, exit_code
from agent.health import Health, Vitals
from agent.host_check import HostUnfit, check_host, start_all
from agent.joining import Joined, Joining, installation
from agent.keeper import KEEPER_VARIABLE
from agent.kernel import DeadManTimer, adopt_orphans, boot_time, hide_memory, signal_at_death_of_parent
from agent.lease_clock import LeaseClock
from agent.leftovers import group_name
from agent.logs.spool import Spool
from agent.loop import Loop, Mailbox
from agent.messages import AskedToEnd, EndLevel, Signalled, Woken
from agent.options import AgentOptions, host_name
from agent.ordering import Site, checked_order_of
from agent.orders import Order
from agent.preparation import Preparer
from agent.provision import providers_of
from agent.redis_clients import RedisClients
from agent.renewals import Renewals
from agent.retrying import Patience
from agent.rq_commands import RqCommands
from agent.runners.run_groups import RunGroups
from agent.runners.subprocess_runner import SubprocessRunner
from agent.shell import Hands, Shell
from agent.signals import END, KEEPER_DIED, Signals
from agent.supervision import Supervision
from agent.waking import Waking
from agent.workrooms import Workrooms
from orchestrator.store.installation import Store
from queues.address import masked
from queues.claims import Claim, Claims
from queues.errors import HeadgateQueueError
from queues.events import to_stderr
from queues.presence import Presence
from queues.rq_bridge import RqBridge
from queues.scripts import Scripts
from queues.server_check import check_server

LEAVE_SECONDS = 2.0
BROKEN = 70
"""The exit code after a defect of our own; the keeper starts another supervisor."""


def main() -> NoReturn:
    """Supervise runs until told to end; the process's exit code says how that went."""
    try:
        check_host()
    except HostUnfit as error:
        sys.stderr.write(f"agent: {error}; {error.hint}\n")
        sys.exit(error.exit_code)
    writer = BackgroundWriter(sys.stderr)
    sys.stderr = writer
    to_stderr()

    def end(code: int) -> NoReturn:
        # Threads that wait for Redis must not hold the end up.
        writer.finish()
        os._exit(code)

    def end_badly(failure: threading.ExceptHookArgs) -> None:
        # Half an agent is worse than none: the keeper starts a whole one.
        traceback.print_exception(failure.exc_value)
        end(BROKEN)

    threading.excepthook = end_badly
    try:
        end(Supervisor(AgentOptions.from_environment(os.environ), os.environ).run())
    except (AgentError, HeadgateQueueError) as error:
        hint = getattr(error, "hint", "")
        writer.write(f"agent: {error}{f'; {hint}' if hint else ''}\n")
        end(exit_code(error))
    except Exception:
        traceback.print_exc()
        end(BROKEN)


def ends_runs_by(group: ControlGroup | None) -> str:
    """How what a dead supervisor leaves behind is found, for those who look at the agent."""
    return "process tree" if group is None else "control group"


class Supervisor:
    """Puts the parts of one agent together and runs them; see the module for the duties."""

    def __init__(self, options: AgentOptions, environment: Mapping[str, str]) -> None:
        self.options = options
        self.environment = environment
        self.patience = Patience()
        self.mailbox = Mailbox()
        self.bridge = RqBridge(options.prefix)
        self.turned_at = boot_time()
        # A server that was started anew may have lost what it was told last: the leases are renewed at once.
        self.clients = RedisClients(options, on_return=lambda: self.mailbox.post(Woken(news=True)))

    def run(self) -> int:
        """Serve until told to end."""
        restarted = self._tie_to_keeper()
        store = self._reach(restarted)
        kept = {queue: store.queues.get(queue).on_disconnect == "keep" for queue in self.options.queues}
        signals = Signals()
        presence = Presence(store.scripts, silent_seconds=self.options.lease_seconds + self.options.grace_seconds)
        joining = Joining(presence, self.options, self.bridge)
        port = self.options.health_port
        health = None if port is None else Health(self.options.health_host, port)
        joined = joining.join()
        group = enter(group_name(joined.mark))
        found_by = ends_runs_by(group)
        shell = self._shell(store, joining, joined, kept, group)
        events.started(
            agent=joined.name,
            queues=(*self.options.queues, *(f"{prefix}*" for prefix in self.options.queue_prefixes)),
            labels=self.options.labels,
            limit=self.options.limit,
            freed=joined.freed,
            swept=joined.swept,
            ends_runs_by=found_by,
        )
        if health is not None:
            self._answer_probes(health, joined.name, shell)
        self._serve(shell, signals)
        self._leave(shell)
        events.left(agent=joined.name)
        return 0

    def _tie_to_keeper(self) -> bool:
        """Answer whether a supervisor died before this one."""
        adopt_orphans()
        hide_memory()
        signal_at_death_of_parent(KEEPER_DIED)
        keeper, _, deaths = self.environment.get(KEEPER_VARIABLE, "").partition("/")
        if keeper != str(os.getppid()):
            raise AgentError("expected to be started by a keeper that is still there, and am not")
        return deaths != "0"

    def _reach(self, restarted: bool) -> Store:
        store = Store(self.clients.calls, self.options.prefix)
        if restarted:
            # Redis may be what the one before died of: waiting is better than giving up.
            self.patience.until_answered("start", store.scripts.now_us)
        else:
            address = masked(self.options.redis_url)
            for problem in check_server(self.clients.calls, address, strict=self.options.strict).problems:
                events.risky_redis(problem=problem)
        return store

    def _shell(
        self, store: Store, joining: Joining, joined: Joined, kept: dict[str, bool], group: ControlGroup | None
    ) -> Shell:
        options, post, patience = self.options, self.mailbox.post, self.patience
        claims = partial(self._claims, joined.name)
        workrooms = Workrooms(options.home, installation(options), joined.name)
        providers = providers_of(options, self.environment)
        workrooms.call(providers.tidy)
        site = Site(host=host_name(), own=self.environment, place=providers.place, room=workrooms.room)
        calls = Calls(
            claims(store.scripts),
            make_order=lambda claim: self._order(store, claim, site, kept),
            register=lambda: joining.again(joined.name),
            unregister=lambda: joining.leave(joined.name),
            serve=lambda queues: joining.serve(joined.name, queues),
            cancel=lambda run_id, actor: store.records.cancel(run_id, actor=actor),
            post=post,
            patience=patience,
        )
        info = {"instance": joining.instance, "ends_runs_by": ends_runs_by(group)}
        renewals = Renewals(
            claims(self.clients.scripts(self.clients.renewals)), info=info, post=post, on_back=self.clients.break_off
        )
        shipped = Store(self.clients.shipping, options.prefix)
        spool = Spool(options, joined.name, shipped, post=post, patience=patience)
        wake_list = store.keys.wake(joined.name)
        waking = Waking(self.clients.waking, wake_list, post=post, patience=patience)
        threads: list[threading.Thread] = [workrooms, calls, renewals, *spool.threads, waking]
        if options.rq_commands:
            channel = self.bridge.command_channel(joined.name)
            threads.append(
                RqCommands(self.clients.rq_commands, channel, post=post, cancel=calls.put, patience=patience)
            )
        start_all(threads)
        hands = Hands(
            loop=Loop(),
            mailbox=self.mailbox,
            supervision=self._supervision(spool_full=spool.spooling.full),
            runner=self._runner(joined),
            calls=calls,
            renewals=renewals,
            spool=spool,
            dead_man=DeadManTimer(),
            groups=RunGroups(group),
            providers=providers,
            workrooms=workrooms,
            options=asdict(options),
        )
        return Shell(hands)

    def _claims(self, agent: str, scripts: Scripts) -> Claims:
        return Claims(
            scripts,
            agent,
            lease_seconds=self.options.lease_seconds,
            start_timeout_seconds=self.options.start_timeout_seconds,
            labels=self.options.labels,
            prefixes=self.options.queue_prefixes,
        )

    def _runner(self, joined: Joined) -> SubprocessRunner:
        runner = SubprocessRunner(joined.mark, self.environment, host=host_name(), limit=self.options.limit)
        limit = runner.descriptor_limit
        if not limit.is_enough:
            events.few_descriptors(granted=limit.granted, needed=limit.needed)
        return runner

    def _order(self, store: Store, claim: Claim, site: Site, kept: dict[str, bool]) -> Order:
        if claim.queue not in kept:  # named by a prefix
            kept[claim.queue] = store.queues.get(claim.queue).on_disconnect == "keep"
        return checked_order_of(claim, store.spec_of, site, keep_when_cut=kept[claim.queue])

    def _supervision(self, *, spool_full: bool) -> Supervision:
        options = self.options
        claiming = Claiming(queues=options.queues, limit=options.limit, by_prefix=bool(options.queue_prefixes))
        return Supervision(
            claiming=claiming,
            preparer=Preparer(claiming=claiming, host=host_name()),
            leases=LeaseClock(renew_seconds=options.renew_seconds, outage_seconds=options.outage_seconds),
            drain_seconds=options.drain_seconds,
            kill_seconds=options.kill_seconds,
            spool_full=spool_full,
        )

    def _answer_probes(self, health: Health, name: str, shell: Shell) -> None:
        supervision, limit = shell.hands.supervision, self.options.limit

        def look() -> Vitals:
            return Vitals(
                agent=name,
                state=supervision.state,
                running=len(supervision.runs),
                limit=limit,
                redis=supervision.leases.reachable,
                loop_seconds=boot_time() - self.turned_at,
                renew_seconds=self.options.renew_seconds,
            )

        health.look_by(look)
        start_all([health])
        events.answers_probes(host=self.options.health_host, port=health.port)

    def _serve(self, shell: Shell, signals: Signals) -> None:
        abandon = partial(shell.tell, AskedToEnd(EndLevel.ABANDON))
        calls: dict[int, Callable[[], object]] = {number: partial(shell.tell, Signalled()) for number in END}
        calls |= {KEEPER_DIED: abandon, signal.SIGCHLD: shell.reap}
        shell.hands.loop.watch(signals.fd, lambda _: signals.deal(calls))
        if str(os.getppid()) != self.environment.get(KEEPER_VARIABLE, "").partition("/")[0]:
            abandon()
        shell.start()
        shell.deal()
        while not shell.left:
            shell.hands.loop.run_once()
            shell.deal()
            self.turned_at = boot_time()

    def _leave(self, shell: Shell) -> None:
        if not shell.hands.supervision.leases.reachable:
            # What could be waited for has been waited for.
            self.patience.give_up()
        shell.hands.renewals.leave()
        shell.hands.spool.leave()
        shell.hands.calls.leave(LEAVE_SECONDS)
        shell.hands.workrooms.leave(LEAVE_SECONDS)
        self.patience.give_up()
