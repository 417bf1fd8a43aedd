"""PySpark's daemon of Python workers, but what they have used is told to whoever measures.

PySpark's ignores SIGCHLD, and then the kernel forgets a worker's account when it ends. This one leaves the signal
alone: an ended worker stays until the daemon ends, and then goes to the process that called ``meter.adopt_orphans``.
"""

import signal

from pyspark import daemon

SUBMIT_ARGUMENTS = f"--conf spark.python.daemon.module={__spec__.name} pyspark-shell"  # as PYSPARK_SUBMIT_ARGS

if __name__ == "__main__":
    vars(daemon)["SIGCHLD"] = signal.SIGURG  # what it ignores instead is ignored anyway
    daemon.manager()  # type: ignore[no-untyped-call]
