"""A tree of processes and the signals that it gets."""

import gc
import os
import signal
import subprocess
import sys
import time

import pytest

from gateway.processes import garbage_later, work_apart

# Whoever runs the tests may have told its children to ignore SIGHUP.
PROGRAM = """
import signal, time
signal.signal(signal.SIGHUP, signal.SIG_DFL)
from gateway.processes import Supervisor
def sleep():
    print("child", flush=True)
    time.sleep(60)
Supervisor(children={"one": sleep}).run()
print("ended in order", flush=True)
"""


def start(**options: object) -> "subprocess.Popen[str]":
    tree = subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True, **options,
    )  # type: ignore[call-overload]  # fmt: skip
    assert tree.stdout is not None
    assert tree.stdout.readline() == "child\n"
    return tree


def test_a_service_that_is_told_to_reload_goes_on_with_all_its_processes() -> None:
    tree = start(stdin=subprocess.DEVNULL)
    assert tree.stdout is not None

    os.killpg(tree.pid, signal.SIGHUP)

    assert "files_are_read_when_they_change" in tree.stdout.readline()
    time.sleep(0.5)
    tree.send_signal(signal.SIGTERM)
    rest, _ = tree.communicate(timeout=20)
    assert rest.strip() == "ended in order"  # and no child was started again


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="no terminals here")
def test_a_terminal_that_hangs_up_ends_it_in_order() -> None:
    _, terminal = os.openpty()
    tree = start(stdin=terminal)

    os.killpg(tree.pid, signal.SIGHUP)

    rest, _ = tree.communicate(timeout=20)
    assert (rest.strip(), tree.returncode) == ("ended in order", 0)


def test_a_child_that_is_told_to_end_in_its_first_moment_ends() -> None:
    """Else whoever stops the service in that moment waits for it in vain, and then kills it."""
    told = (
        "import os, signal; os.register_at_fork(after_in_child=lambda: os.kill(os.getpid(), signal.SIGTERM))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", told + PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True,
    ) as tree:  # fmt: skip
        assert tree.stdout is not None
        said = tree.stdout.readline()
        os.killpg(tree.pid, signal.SIGKILL)
    assert "process_ended" in said, said


ORPHAN = """
import os, signal, sys, time
from gateway.processes import die_with_parent
signal.signal(signal.SIGTERM, signal.SIG_IGN)
parent, (heard, bound) = os.getpid(), os.pipe()
if os.fork() == 0:
    when, how = sys.argv[1], signal.Signals(int(sys.argv[2]))
    while when == "late" and os.getppid() == parent:
        time.sleep(0.01)
    die_with_parent(parent, how)
    print("bound", flush=True)
    os.write(bound, b".")
    time.sleep(1)
    print("alive", flush=True)
    os._exit(0)
if sys.argv[1] == "early":
    os.read(heard, 1)
os.kill(parent, signal.SIGKILL)
"""


@pytest.mark.parametrize(
    ("when", "how", "said"),
    [
        ("late", signal.SIGTERM, ""),
        ("early", signal.SIGKILL, "bound\n"),
        ("early", signal.SIGTERM, "bound\nalive\n"),
    ],
)
def test_a_child_ends_with_its_parent_also_with_one_that_was_gone_before_it_could_say_so(
    when: str, how: signal.Signals, said: str
) -> None:
    """The last one ignores what it is sent: the others do not, whatever they do with SIGTERM."""
    tree = subprocess.run(
        [sys.executable, "-c", ORPHAN, when, str(int(how))],
        stdout=subprocess.PIPE,
        text=True,
        timeout=30,
        check=False,
    )  # reads until the child, too, has closed its end
    assert tree.stdout == said


def test_what_is_done_apart_leaves_nothing_behind_and_what_it_raises_is_raised_here() -> None:
    done: list[int] = []
    work_apart("test", lambda: done.append(1))
    assert not done

    with pytest.raises(ZeroDivisionError, match="by zero"):
        work_apart("test", lambda: done.append(1 // 0))
    with pytest.raises(RuntimeError, match="ended with -9"):
        work_apart("test", lambda: os.kill(os.getpid(), signal.SIGKILL))


def test_garbage_is_looked_for_again_when_the_work_is_over_or_broke_off() -> None:
    with garbage_later():
        assert not gc.isenabled()
    assert gc.isenabled()

    with pytest.raises(ZeroDivisionError), garbage_later():
        1 // 0  # noqa: B018
    assert gc.isenabled()
