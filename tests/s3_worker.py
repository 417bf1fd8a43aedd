"""Jobs one after another in one Spark on s3://lake: a line of JSON asks, a line of JSON answers.

It is a process of its own, as a JVM has one classpath and one environment.
"""

import importlib
import json
import os
import signal
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "glue_jobs"))

from trial import plain

from clickstream.errors import ClickstreamError
from clickstream.runtime.arguments import parse_arguments
from clickstream.runtime.glue import glue_session
from clickstream.storage import hive_table, iceberg
from deploy import ddl
from deploy.jobs import TEMP_FOLDER
from local import s3_lake
from local.glue_stubs import install_glue_stubs

LAKE = "s3://lake"
ENDED = "ended: "  # begins the line that ends what a job prints


def run(name, arguments, temp_dir=f"{LAKE}/{TEMP_FOLDER}"):
    """Run a job as its script does; return the sentence that it fails with."""
    job = importlib.import_module(name)
    try:
        given = parse_arguments(job.Arguments, [name, *arguments])
        with glue_session([name, "--JOB_NAME", name, "--TempDir", temp_dir]) as session:
            job.main(session, given)
    except ClickstreamError as error:
        return str(error)
    return None


def rows(table, columns=("*",)):
    """Read columns of a table as text and numbers."""
    if table == "clickstream":
        (plain_table,) = [found for found in ddl.tables(LAKE) if found.name == table]
        return plain(hive_table.read(spark, plain_table.location, plain_table.schema))
    spark.sql(f"refresh table {s3_lake.CATALOG}.{table}")
    return plain(spark.table(f"{s3_lake.CATALOG}.{table}").select(*columns))


def kill_at_publish(number):
    """Die by kill -9 when a branch is about to be published for the n-th time from now on."""
    publish, calls = iceberg.Branch.publish, iter(range(1, number + 1))

    def dying(branch):
        if next(calls) == number:
            os.kill(os.getpid(), signal.SIGKILL)
        publish(branch)

    iceberg.Branch.publish = dying


def race(table):
    """Make branches of a table from four threads at once; return their names and those that the table has."""
    names = [f"{thread}_{number}" for thread in range(4) for number in range(3)]
    name = f"{s3_lake.CATALOG}.{table}"

    def make(thread):
        for number in range(3):
            iceberg._commit(  # noqa: SLF001  # what publishes, too
                spark,
                name,
                lambda java: java.manageSnapshots().createBranch(f"{thread}_{number}").commit(),  # noqa: B023
            )

    threads = [threading.Thread(target=make, args=(thread,)) for thread in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    refs = iceberg._table(spark, name).refs()  # noqa: SLF001
    return {"made": names, "found": [branch for branch in names if branch in refs]}


if __name__ == "__main__":
    spark = s3_lake.session(LAKE)
    spark.conf.set("spark.sql.shuffle.partitions", "2")
    install_glue_stubs(spark)
    for line in sys.stdin:
        call, arguments = json.loads(line)
        answer = {"run": run, "rows": rows, "kill_at_publish": kill_at_publish, "race": race}[call](**arguments)
        print(ENDED + json.dumps(answer), flush=True)
