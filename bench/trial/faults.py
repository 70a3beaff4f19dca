"""The faults: each is injected, held for a while, and left for `Installation.heal` to mend what is dead."""

from __future__ import annotations

import contextlib
import pickle
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from random import Random

import psutil
import redis

from trial.installation import Installation, Role

BELL = "affidavit:bell"  # the queue that rings
ACCEPTANCE = b'"operation"'  # stands in the parameters of the statement that accepts a submission
TERM_SECONDS = 40.0


@dataclass(frozen=True, slots=True)
class Fault:
    """A kind of fault. `missing` says why this machine cannot have it, None when it can."""

    name: str
    weight: int
    inject: Callable[[Installation, Random], None]
    missing: Callable[[Installation], str | None] = lambda _: None


def kill_worker(site: Installation, rng: Random) -> None:
    site.kill(_busy(site, rng))


def kill_host(site: Installation, rng: Random) -> None:
    hosts = site.hosts(_busy(site, rng))[:1]
    site.hit()
    for host in hosts:
        _kill(host)


def kill_child(site: Installation, rng: Random) -> None:
    children = [child for worker in site.workers for child in site.children(worker)]
    if children:
        site.hit()
        _kill(rng.choice(children))


def zombie(site: Installation, rng: Random) -> None:
    """Stop a worker for longer than its lease; then it goes on as if nothing had been."""
    _hold(site, [_busy(site, rng)], site.times.lease * (1.2 + rng.random() * 0.5))


def deploy(site: Installation, rng: Random) -> None:
    role = _busy(site, rng)
    site.signal(role, signal.SIGTERM)
    assert role.process is not None
    with contextlib.suppress(subprocess.TimeoutExpired):
        role.process.popen.wait(TERM_SECONDS)


def kill_api(site: Installation, rng: Random) -> None:
    site.kill(rng.choice(site.apis))


def stop_api(site: Installation, rng: Random) -> None:
    _hold(site, [rng.choice(site.apis)], 1 + rng.random() * 4)


def kill_postgres(site: Installation, rng: Random) -> None:
    site.hit()
    for process in site.server("postgres")[:1]:  # the postmaster: its children notice by themselves
        _kill(process)
    _await_end(site, "postgres")
    time.sleep(rng.random())


def restart_postgres(site: Installation, _rng: Random) -> None:
    """Shut down without a checkpoint, as `pg_ctl restart -m immediate` does."""
    site.hit()
    for process in site.server("postgres")[:1]:
        process.send_signal(signal.SIGQUIT)
    _await_end(site, "postgres")


def stop_postgres(site: Installation, rng: Random) -> None:
    """Freeze the whole server: connections stay, and nothing answers; sometimes beyond the lease."""
    _freeze(site, site.server("postgres"), site.times.lease * rng.choice((0.4, 1.4)))


def flush(site: Installation, _rng: Random) -> None:
    _bell(site, lambda bell: bell.flushall())


def kill_valkey(site: Installation, rng: Random) -> None:
    site.hit()
    for process in site.server("valkey"):
        _kill(process)
    _await_end(site, "valkey")
    time.sleep(rng.random())


def stop_valkey(site: Installation, rng: Random) -> None:
    _freeze(site, site.server("valkey"), 1 + rng.random() * 5)


def ring_nonsense(site: Installation, rng: Random) -> None:
    """Put what nobody sent into the queue: unknown ids, stale ones, other functions, bytes, a pickle."""
    forged = {
        "task_of_nobody.7.7": b'{"t":null,"f":"run_job","a":["x"],"k":{},"et":1}',
        "no_function": b'{"t":null,"f":"os.system","a":["touch /tmp/forged"],"k":{},"et":1}',
        "no_json": b"\xff\x00{",
        "pickled": pickle.dumps(_Forged(str(site.folder / "forged"))),
        "no_body": None,
    }

    def ring(bell: redis.Redis) -> None:
        for name, body in forged.items():
            if body is not None:
                bell.set(f"arq:job:{name}", body)
            bell.zadd(BELL, {name: rng.choice((1, time.time() * 1000))})

    _bell(site, ring)


class _Forged:
    """Unpickling this makes a file, which the judgement looks for."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __reduce__(self) -> tuple[object, ...]:
        return open, (self._path, "w")


def cut_power(site: Installation, _rng: Random) -> None:
    """Kill everything at once: APIs, workers, engine hosts and both servers."""
    victims = [*site.server("postgres"), *site.server("valkey")]
    victims += [host for worker in site.workers for host in site.hosts(worker)]
    for role in site.roles.values():
        site.signal(role, signal.SIGKILL)
    for process in victims:
        _kill(process)
    for role in site.roles.values():
        if role.process is not None:
            role.process.popen.wait(10)
    for name in ("postgres", "valkey"):
        _await_end(site, name)


def cut_network(site: Installation, rng: Random) -> None:
    """Refuse one process its database for a while."""
    role = rng.choice([*site.workers, *site.apis])
    site.hit()
    role.proxy.refuse()
    time.sleep(1 + rng.random() * site.times.lease)
    role.proxy.restore()


def stall_network(site: Installation, rng: Random) -> None:
    """Hold back every packet between a worker and its database beyond the lease; then they arrive."""
    role = _busy(site, rng)
    site.hit()
    role.proxy.stall()
    time.sleep(site.times.lease * 1.5)
    role.proxy.restore()


def lose_commit(site: Installation, rng: Random) -> None:
    """Let one COMMIT of a worker through, and cut the connection instead of its answer."""
    site.hit()
    lost = _busy(site, rng).proxy.lose_answer_to(b"COMMIT", skip=rng.randint(0, 3))
    lost.wait(site.times.lease)


def lose_acceptance(site: Installation, rng: Random) -> None:
    """Let a submission be committed, and cut the API off from the answer."""
    site.hit()
    rng.choice(site.apis).proxy.lose_answer_to(ACCEPTANCE).wait(site.times.lease)


def turn_clock(site: Installation, rng: Random) -> None:
    """Restart a worker whose clock is an hour off; it stays so until it dies of something else."""
    role = rng.choice(site.workers)
    site.kill(role)
    role.extra = faked_clock(rng.choice(("+1h", "-1h", "+2m", "-30s")))
    site.start(role)
    time.sleep(site.times.lease)
    role.extra = {}  # for its next life


def fill_disk(site: Installation, rng: Random) -> None:
    """Leave no byte on the disk of documents and results for a while."""
    filler = site.data / "filler"
    site.hit()
    with contextlib.suppress(OSError), filler.open("wb") as file:  # it may be full already
        block = b"\0" * (1 << 20)
        while True:
            file.write(block)
    time.sleep(1 + rng.random() * 3)
    filler.unlink(missing_ok=True)


def faked_clock(shift: str) -> dict[str, str]:
    """Return the environment in which a process sees another time of day; its monotonic clock is right."""
    return {
        "LD_PRELOAD": str(_faketime()),
        "FAKETIME": shift,
        "DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_DONT_RESET": "1",
    }


def _faketime() -> Path | None:
    found = find_spec("libfaketime")
    if found is None or found.origin is None:
        return None
    library = Path(found.origin).parent / "vendor/libfaketime/src/libfaketime.so.1"
    return library if library.exists() else None


def _busy(site: Installation, rng: Random) -> Role:
    """Choose a worker that is at work, if one is."""
    return rng.choice(site.busy_workers() or site.workers)


def _hold(site: Installation, roles: list[Role], seconds: float) -> None:
    for role in roles:
        site.signal(role, signal.SIGSTOP)
    time.sleep(seconds)
    for role in roles:
        site.signal(role, signal.SIGCONT)


def _freeze(site: Installation, processes: list[psutil.Process], seconds: float) -> None:
    """Stop a server as a whole, the children first."""
    site.hit()
    for process in reversed(processes):
        with contextlib.suppress(psutil.Error):
            process.suspend()
    time.sleep(seconds)
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.resume()


def _kill(process: psutil.Process) -> None:
    with contextlib.suppress(psutil.Error):
        process.kill()


def _await_end(site: Installation, name: str) -> None:
    """Wait until our child is seen dead, so that it can be started again."""
    give_up = time.monotonic() + 20
    while time.monotonic() < give_up:
        with contextlib.suppress(psutil.NoSuchProcess):
            if psutil.Process(site.servers.pids[name]).status() != psutil.STATUS_ZOMBIE:
                time.sleep(0.02)
                continue
        return


def _bell(site: Installation, act: Callable[[redis.Redis], object]) -> None:
    with (
        redis.Redis.from_url(site.servers.redis_url, socket_timeout=5) as bell,
        contextlib.suppress(redis.RedisError),
    ):
        site.hit()
        act(bell)


def _no_faketime(_site: Installation) -> str | None:
    return None if _faketime() else "libfaketime is not installed"


def _no_disk(site: Installation) -> str | None:
    return None if site.has_small_disk else "this user may not mount a small disk"


FAULTS = (
    Fault("worker kill -9", 4, kill_worker),
    Fault("engine host kill -9", 2, kill_host),
    Fault("child kill -9", 2, kill_child),
    Fault("worker stopped beyond its lease, then continued", 4, zombie),
    Fault("worker SIGTERM", 2, deploy),
    Fault("API kill -9", 3, kill_api),
    Fault("API stopped, then continued", 2, stop_api),
    Fault("Postgres kill -9", 3, kill_postgres),
    Fault("Postgres immediate restart", 2, restart_postgres),
    Fault("Postgres stopped, then continued", 2, stop_postgres),
    Fault("FLUSHALL", 2, flush),
    Fault("Valkey kill -9", 2, kill_valkey),
    Fault("Valkey stopped, then continued", 2, stop_valkey),
    Fault("forged and malformed rings", 2, ring_nonsense),
    Fault("all killed at once", 2, cut_power),
    Fault("database refused to one process", 2, cut_network),
    Fault("packets to the database held beyond the lease", 2, stall_network),
    Fault("answer to a worker's COMMIT lost", 3, lose_commit),
    Fault("answer to an acceptance lost", 3, lose_acceptance),
    Fault("worker's clock off by up to an hour", 2, turn_clock, _no_faketime),
    Fault("disk of documents and results full", 2, fill_disk, _no_disk),
)


def schedule(site: Installation, count: int, rng: Random, only: list[str]) -> list[Fault]:
    """Choose so many faults by weight; each kind that can be had comes at least once when there is room."""
    kinds = [fault for fault in FAULTS if fault.missing(site) is None]
    if only:
        kinds = [fault for fault in kinds if any(part in fault.name for part in only)]
    chosen = rng.choices(kinds, [fault.weight for fault in kinds], k=count)
    chosen[: len(kinds)] = kinds[:count]
    rng.shuffle(chosen)
    return chosen
