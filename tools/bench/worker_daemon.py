"""PySpark's daemon of Python workers, but with the CPU time of its workers accounted for.

PySpark's daemon ignores SIGCHLD, so the kernel drops a worker's account when it ends. This one does not ignore it: an
ended worker stays until the daemon ends, and is then reaped by the process that called ``meter.adopt_orphans``.
"""

import signal

from pyspark import daemon

SUBMIT_ARGUMENTS = f"--conf spark.python.daemon.module={__spec__.name} pyspark-shell"  # as PYSPARK_SUBMIT_ARGS

if __name__ == "__main__":
    vars(daemon)["SIGCHLD"] = signal.SIGURG  # it ignores this signal instead, which is ignored anyway
    daemon.manager()  # type: ignore[no-untyped-call]
