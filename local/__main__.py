"""``python -m local``: run the jobs, and query their tables, on this machine."""

import argparse
import os
import sys
import time
from pathlib import Path

os.environ["TZ"] = "UTC"  # before Spark starts: Python's side of it shows times in the zone of the process
time.tzset()

from local import job, query  # noqa: E402


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    made = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    made.add_argument("--lake", type=Path, default=Path(".local"), metavar="DIR", help="where the tables lie (.local)")
    commands = made.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="run a script of glue_jobs; run JOB --help shows what it takes")
    run.add_argument("job", choices=job.names(), metavar="JOB", help=", ".join(job.names()))
    run.add_argument("arguments", nargs=argparse.REMAINDER, metavar="--name value ...")
    sql = commands.add_parser("sql", help="answer a query in Athena's SQL over the tables")
    sql.add_argument("--format", choices=query.WRITERS, default="table")
    sql.add_argument("query")
    server = commands.add_parser("aws", help="AWS on this machine: run its server, with what the stage dev names")
    server.add_argument("--port", type=port_number, default=5000, metavar="PORT", help="5000 unless said")
    return made


def port_number(text: str) -> int:
    """Read a port, or raise the ValueError that argparse makes a sentence of."""
    if int(text) not in range(2**16):
        raise ValueError
    return int(text)


def main() -> int:
    """Do what the command line says; return the exit status."""
    arguments = parser().parse_args()
    lake = arguments.lake.absolute()
    if arguments.command == "run":
        return job.run(lake, arguments.job, arguments.arguments)
    if arguments.command == "aws":
        from local import aws  # noqa: PLC0415  # boto3 takes a third of a second, which the others need not spend

        return aws.stay(arguments.port)
    return query.answer(lake, arguments.query, arguments.format)


if __name__ == "__main__":
    sys.exit(main())
