"""The sandbox: every way in which a child can end has its own outcome, and none hurts the worker."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import subprocess
import sys
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from affidavit.infra.identity import Identity
from affidavit.infra.profile import Profile
from affidavit.infra.sandbox import FAILURES, Ending, HostUnavailable, SandboxHost, Walls
from affidavit.infra.wall_status import can_enter_namespaces

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="the walls are Linux's"),
    pytest.mark.timeout(60),
]

needs_namespaces = pytest.mark.skipif(
    not can_enter_namespaces(), reason="this system forbids new PID namespaces"
)

HERE = str(Path(__file__).parent)
LIMITS = Walls(no_progress=timedelta(seconds=30), total=timedelta(seconds=30))
STARTS_PYTHON = Profile.of([Path(sys.executable)])


def new_host(folder: Path, warm_up: str = "sandbox_entries:warm_up", grace: float = 5) -> SandboxHost:
    return SandboxHost(
        entry="sandbox_entries:act",
        warm_up=warm_up,
        environment={},
        user=Identity.named("nobody"),
        scratch=folder / "scratch",
        modules=[HERE],
        grace=timedelta(seconds=grace),
    )


@pytest.fixture
async def host(tmp_path):
    made = new_host(tmp_path)
    yield made
    await made.close()


class Call:
    """One run, with what its child said."""

    def __init__(
        self, host, folder, do, *, walls=LIMITS, document=None, name="work", starts=False, **request
    ):
        self.messages = asyncio.Queue()
        self.workspace = folder / name
        self.workspace.mkdir(exist_ok=True)
        self._run = host.run(
            {"do": do, **request},
            document=document,
            workspace=self.workspace,
            walls=walls,
            on_message=self.messages.put,
            **({"profile": STARTS_PYTHON} if starts else {}),
        )

    async def outcome(self):
        return await self._run

    def start(self):
        return asyncio.ensure_future(self._run)

    def said(self):
        return [self.messages.get_nowait() for _ in range(self.messages.qsize())]


def watch(pid):
    """Return a handle of a process that cannot come to mean another."""
    return os.pidfd_open(pid)


def has_ended(handle, seconds=10):
    """Wait until the process has ended, and been reaped or not; tell whether it did in time."""
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    ended = bool(poll.poll(seconds * 1000))
    os.close(handle)
    return ended


def sweep(handle):
    """End what is left where no namespace has done so already."""
    with suppress(ProcessLookupError):
        signal.pidfd_send_signal(handle, signal.SIGKILL)
    os.close(handle)


def is_known(pid):
    """Tell whether the kernel still has this process, if only as a zombie."""
    return Path(f"/proc/{pid}").exists()


async def test_child_reads_the_document_by_descriptor_and_leaves_files(host, tmp_path):
    document = tmp_path / "document"
    document.write_text("forty two")
    call = Call(host, tmp_path, "read_document", document=document, echo={"ä": [1, None]})

    outcome = await call.outcome()

    assert outcome.ending is Ending.FINISHED
    assert outcome.failure is None
    assert call.said() == [{"type": "read", "content": "forty two", "echo": {"ä": [1, None]}, "warmed": True}]
    assert (call.workspace / "out.txt").read_text() == "forty two"
    assert outcome.maxrss_bytes > 0


async def test_request_larger_than_a_packet_arrives_whole(host, tmp_path):
    document = tmp_path / "document"
    document.write_text("x")
    large = "y" * 2_000_000
    call = Call(host, tmp_path, "read_document", document=document, echo=len(large), ballast=large)

    assert (await call.outcome()).ending is Ending.FINISHED


async def test_missing_document_is_the_callers_error_and_the_host_lives_on(host, tmp_path):
    await host.start()
    pid = host.pid
    with pytest.raises(FileNotFoundError):
        await Call(host, tmp_path, "read_document", document=tmp_path / "none").outcome()

    assert (await Call(host, tmp_path, "look_around").outcome()).ending is Ending.FINISHED
    assert host.pid == pid


@pytest.mark.parametrize("how", ["segfault", "really_segfault"])
async def test_segfault_is_a_crash_with_its_signal_and_its_line(host, tmp_path, how):
    outcome = await Call(host, tmp_path, how).outcome()

    assert outcome.ending is Ending.CRASHED
    assert outcome.signal == signal.SIGSEGV
    assert outcome.failure.code == "ENGINE_CRASHED"
    assert outcome.failure.retryable
    assert "sandbox_entries.py" in outcome.trace


async def test_exception_is_a_crash_whose_trace_has_no_text_of_the_document(host, tmp_path):
    outcome = await Call(host, tmp_path, "fail").outcome()

    assert outcome.ending is Ending.CRASHED
    assert outcome.exit_code not in (0, None)
    assert "ValueError at sandbox_entries.py:" in outcome.trace
    assert "CANARY" not in outcome.trace


@pytest.mark.parametrize("how", ["hog_memory", "hog_memory_inside"])
async def test_memory_hog_is_out_of_memory(host, tmp_path, how):
    walls = Walls(address_space_bytes=512 << 20, total=timedelta(seconds=30))

    outcome = await Call(host, tmp_path, how, walls=walls).outcome()

    assert outcome.ending is Ending.OUT_OF_MEMORY
    assert outcome.failure.code == "ENGINE_OUT_OF_MEMORY"


async def test_silent_child_is_stalled(host, tmp_path):
    walls = Walls(no_progress=timedelta(seconds=0.3), total=timedelta(seconds=30))

    outcome = await Call(host, tmp_path, "hang", walls=walls).outcome()

    assert outcome.ending is Ending.NO_PROGRESS
    assert outcome.failure.code == "ENGINE_STALLED"


async def test_chattering_child_is_stopped_at_the_total_limit(host, tmp_path):
    walls = Walls(no_progress=timedelta(seconds=30), total=timedelta(seconds=0.5))
    call = Call(host, tmp_path, "chatter", walls=walls)

    outcome = await call.outcome()

    assert outcome.ending is Ending.TIMED_OUT
    assert outcome.failure.code == "ENGINE_TIMEOUT"
    assert call.messages.qsize() > 3


async def test_spinning_child_is_stopped_by_its_cpu_limit(host, tmp_path):
    walls = Walls(cpu=timedelta(seconds=1), total=timedelta(seconds=30))

    outcome = await Call(host, tmp_path, "spin", walls=walls).outcome()

    assert outcome.ending is Ending.TIMED_OUT
    assert outcome.signal == signal.SIGXCPU


async def test_refusal_carries_the_engines_own_code(host, tmp_path):
    outcome = await Call(host, tmp_path, "refuse").outcome()

    assert outcome.ending is Ending.REFUSED
    assert outcome.failure.code == "TOO_MANY_PAGES"
    assert outcome.failure.category == "limit"
    assert not outcome.failure.retryable


def test_every_ending_but_a_good_one_has_its_own_code():
    codes = [failure.code for failure in FAILURES.values()]

    assert set(FAILURES) == set(Ending) - {Ending.FINISHED, Ending.REFUSED}
    assert len(set(codes)) == len(codes)


@pytest.mark.parametrize(
    "raw",
    ["no json\n", "[]\n", '{"type": 7}\n', "[" * 60_000 + "\n", '{"type":"error","code":"lower"}\n'],
    ids=["text", "list", "type", "depth", "refusal"],
)
async def test_line_that_is_no_message_is_a_crash(host, tmp_path, raw):
    outcome = await Call(host, tmp_path, "write_raw", raw=raw, times=1).outcome()

    assert outcome.ending is Ending.CRASHED
    assert outcome.trace.startswith("protocol")


async def test_endless_line_is_a_crash(host, tmp_path):
    outcome = await Call(host, tmp_path, "write_raw", raw="x" * 1024, times=1024).outcome()

    assert outcome.ending is Ending.CRASHED
    assert "65536" in outcome.trace


async def test_message_at_the_limit_passes(host, tmp_path):
    call = Call(host, tmp_path, "emit_up_to_the_limit")

    assert (await call.outcome()).ending is Ending.FINISHED
    assert len(call.said()[0]["message"]) > 65_000


async def test_message_past_the_limit_is_a_crash(host, tmp_path):
    assert (await Call(host, tmp_path, "emit_too_much").outcome()).ending is Ending.CRASHED


async def test_message_after_the_last_is_a_crash(host, tmp_path):
    raw = '{"type":"done"}\n'

    outcome = await Call(host, tmp_path, "write_raw", raw=raw, times=2).outcome()

    assert outcome.ending is Ending.CRASHED


async def test_exit_without_a_last_word_is_a_crash(host, tmp_path):
    outcome = await Call(host, tmp_path, "end_in_silence").outcome()

    assert outcome.ending is Ending.CRASHED
    assert outcome.exit_code == 0


async def test_child_that_lingers_after_its_last_word_has_finished(tmp_path):
    host = new_host(tmp_path, grace=0.2)

    assert (await Call(host, tmp_path, "linger").outcome()).ending is Ending.FINISHED
    await host.close()


async def test_two_children_run_at_once(host, tmp_path):
    first = Call(host, tmp_path, "hang", name="first")
    second = Call(host, tmp_path, "hang", name="second")
    runs = [first.start(), second.start()]

    pids = {(await first.messages.get())["pid"], (await second.messages.get())["pid"]}

    assert len(pids) == 2
    for run in runs:
        run.cancel()
    await asyncio.wait(runs)


async def test_failing_listener_kills_the_child(host, tmp_path):
    seen = []

    async def fail(message):
        seen.append(watch(message["pid"]))
        raise LookupError

    workspace = tmp_path / "work"
    workspace.mkdir()
    with pytest.raises(LookupError):
        await host.run({"do": "hang"}, document=None, workspace=workspace, walls=LIMITS, on_message=fail)

    assert has_ended(seen[0], seconds=0)


async def test_cancelling_kills_and_reaps_the_child_and_what_it_started(host, tmp_path):
    call = Call(host, tmp_path, "start_a_grandchild", starts=True)
    run = call.start()
    family = await call.messages.get()
    handles = [watch(family["child"]), watch(family["grandchild"])]

    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run

    assert all(has_ended(handle, seconds=0) for handle in handles)
    assert not is_known(family["child"])
    assert not is_known(family["grandchild"])


async def test_child_that_ends_takes_its_own_children_with_it(host, tmp_path):
    call = Call(host, tmp_path, "start_a_grandchild", starts=True, stay=False)

    outcome = await call.outcome()

    assert outcome.ending is Ending.FINISHED
    assert not is_known(call.said()[0]["grandchild"])


async def test_killed_host_is_told_apart_and_the_next_run_has_a_new_one(host, tmp_path):
    call = Call(host, tmp_path, "start_a_grandchild", starts=True)
    run = call.start()
    family = await call.messages.get()
    handle, grandchild = watch(family["child"]), watch(family["grandchild"])
    before = host.pid

    os.kill(before, signal.SIGKILL)
    outcome = await run

    assert outcome.ending is Ending.HOST_LOST
    assert outcome.failure.retryable
    assert has_ended(handle)
    sweep(grandchild)
    assert (await Call(host, tmp_path, "look_around", name="next").outcome()).ending is Ending.FINISHED
    assert host.pid != before


async def test_stopped_host_does_not_hold_up_a_cancelled_run(tmp_path):
    host = new_host(tmp_path, grace=0.3)
    call = Call(host, tmp_path, "hang")
    run = call.start()
    pid = (await call.messages.get())["pid"]
    handle = watch(pid)
    os.kill(_parent(pid), signal.SIGSTOP)

    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run

    assert has_ended(handle)
    await host.close()


async def test_closing_ends_running_children(tmp_path):
    host = new_host(tmp_path)
    call = Call(host, tmp_path, "hang")
    run = call.start()
    handle = watch((await call.messages.get())["pid"])

    await host.close()

    assert (await run).ending is Ending.KILLED
    assert has_ended(handle)


async def test_host_that_cannot_warm_up_is_unavailable(tmp_path):
    host = new_host(tmp_path, warm_up="sandbox_entries:fail_to_warm_up")

    with pytest.raises(HostUnavailable):
        await host.start()

    assert (await Call(host, tmp_path, "look_around").outcome()).ending is Ending.HOST_LOST
    await host.close()


async def test_host_with_threads_is_refused_since_a_fork_of_it_may_hang(tmp_path):
    host = new_host(tmp_path, warm_up="sandbox_entries:leave_a_thread")

    with pytest.raises(HostUnavailable, match="threads"):
        await host.start()

    await host.close()


WORKER = """
import asyncio, sys
from pathlib import Path
from affidavit.infra.identity import Identity
from affidavit.infra.profile import Profile
from affidavit.infra.sandbox import SandboxHost, Walls

async def main(folder):
    host = SandboxHost(entry="sandbox_entries:act", warm_up=None, environment={},
                       user=Identity.named("nobody"), scratch=folder / "scratch", modules=[sys.argv[2]])
    async def tell(message):
        print(host.pid, message["child"], message["grandchild"], flush=True)
    (folder / "work").mkdir()
    await host.run({"do": "start_a_grandchild"}, document=None, workspace=folder / "work",
                   walls=Walls(), on_message=tell, profile=Profile.of([Path(sys.executable)]))

asyncio.run(main(Path(sys.argv[1])))
"""


def test_killing_the_worker_leaves_no_orphan(tmp_path):
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKER, str(tmp_path), HERE], stdout=subprocess.PIPE, text=True
    )
    *handles, grandchild = [watch(int(word)) for word in worker.stdout.readline().split()]

    worker.kill()
    worker.wait()

    assert [has_ended(handle) for handle in handles] == [True, True]
    sweep(grandchild)
    worker.stdout.close()


@needs_namespaces
def test_killing_the_worker_leaves_no_program_that_a_child_started(tmp_path):
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKER, str(tmp_path), HERE], stdout=subprocess.PIPE, text=True
    )
    *_, grandchild = [int(word) for word in worker.stdout.readline().split()]
    handle = watch(grandchild)

    worker.kill()
    worker.wait()

    assert has_ended(handle)
    worker.stdout.close()


def _parent(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("PPid:"))
