"""The cost of a command and every process that it starts, as the kernel accounts for it (Linux)."""

import ctypes
import logging
import os
import time
from dataclasses import dataclass
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h


@dataclass(frozen=True)
class Cost:
    """The cost of one run, from its start to the end of its last process."""

    wall: float  # seconds
    cpu: float  # seconds, user and system, of all processes
    peak: int  # bytes in memory of the largest process
    others: float  # CPU seconds of the rest of the machine meanwhile


class CommandError(Exception):
    """The command failed."""


def adopt_orphans() -> None:
    """Become the parent of processes that outlive theirs.

    PySpark leaves its JVM behind when Python ends. Only a parent that waits for a process learns what it has used, so
    without this most of the CPU time of a Spark job would be missed.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def run(command: list[str], log: Path) -> Cost:
    """Run a command with its output in ``log``; call ``adopt_orphans`` before, and have no other child meanwhile.

    A process's account includes the children that it waited for, and orphans become our children: nothing is missed or
    counted twice.
    """
    into_log = [
        (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    start, busy = time.monotonic(), machine_cpu()
    child = os.posix_spawn(command[0], command, os.environ | {"TZ": "UTC"}, file_actions=into_log)
    cpu, peak, status = 0.0, 0, 0
    while True:
        try:
            pid, ended, usage = os.wait4(-1, 0)
        except ChildProcessError:
            break
        cpu += usage.ru_utime + usage.ru_stime
        peak = max(peak, usage.ru_maxrss * 1024)
        status = ended if pid == child else status
    wall, others = time.monotonic() - start, machine_cpu() - busy - cpu
    if status:
        last = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
        raise CommandError(f"{' '.join(command)} ended with {os.waitstatus_to_exitcode(status)}:\n{last}")
    return Cost(wall, cpu, peak, max(others, 0.0))


def log_progress() -> None:
    """Log the progress of a benchmark to standard error."""
    logging.basicConfig(level=logging.INFO, format="bench: %(message)s")


def process_cpu(pid: int) -> float:
    """Return the CPU seconds that a running process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def session_cpu() -> float:
    """Return the CPU seconds of the other processes of this session that are running, and of those they waited for."""
    used = 0.0
    for process in Path("/proc").glob("[0-9]*"):
        pid = int(process.name)
        try:
            is_ours = os.getsid(pid) == os.getsid(0) and pid != os.getpid()
            fields = (process / "stat").read_text(encoding="utf-8").rpartition(")")[2].split() if is_ours else []
        except (ProcessLookupError, FileNotFoundError):  # it has just ended
            continue
        used += sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    return used


def machine_cpu() -> float:
    """Return the CPU seconds that all of the machine has used so far."""
    user, nice, system, _, _, irq, softirq, *_ = Path("/proc/stat").read_text(encoding="utf-8").split()[1:]
    return sum(map(int, (user, nice, system, irq, softirq))) / os.sysconf("SC_CLK_TCK")
