"""``python -m local``: run the jobs, and query their tables, on this machine."""

import argparse
import logging
import os
import re
import sys
import time
from pathlib import Path

from deploy import job_arguments
from local.athena import formats, query

os.environ["TZ"] = "UTC"  # before Spark starts: Python's side of it shows times in the zone of the process
time.tzset()

LOGGERS = ("__main__", "clickstream", "deploy", "lambdas", "local", "simulator")  # ours; a job is run as __main__


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    made = argparse.ArgumentParser(
        prog="python -m local", description="Run the jobs, and query their tables, on this machine."
    )
    made.add_argument(
        "--lake",
        type=lake_place,
        default=".local",
        metavar="DIR",
        help="where the tables lie; .local unless said; s3://BUCKET is one of the local AWS",
    )
    made.add_argument("--verbose", action="store_true", help="log details, and where in the code an error came from")
    commands = made.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="run a script of glue_jobs; run JOB --help shows what it takes")
    run.add_argument("job", choices=job_arguments.names(), metavar="JOB", help=", ".join(job_arguments.names()))
    run.add_argument("arguments", nargs=argparse.REMAINDER, metavar="--name value ...", help="what the job takes")
    sql = commands.add_parser("sql", help="answer a query in Athena's SQL over the tables")
    sql.add_argument(
        "--format",
        choices=formats.WRITERS,
        default="table",
        help="table, unless said: aligned columns; csv: with a header; json: one array of objects",
    )
    sql.add_argument("query", help='one statement, quoted: "select count(*) from events"')
    commands.add_parser("watch", help="show live sessions and page counts as they come, of simulated clicks and views")
    report = commands.add_parser("report", help="write a page with pictures of what is in the tables, for a browser")
    report.add_argument(
        "--out", type=Path, metavar="FILE", help="report.html in the lake unless said; a lake on s3:// needs it"
    )
    athena = commands.add_parser("athena", help="the server behind sql: run it here, for other clients of Trino, too")
    athena.add_argument("--port", type=port_number, default=8080, metavar="PORT", help="8080 unless said")
    aws = commands.add_parser("aws", help="AWS on this machine: run its server, with what the stage dev names")
    aws.add_argument("--port", type=port_number, default=5000, metavar="PORT", help="5000 unless said")
    return made


def lake_place(text: str) -> Path | str:
    """Read a lake's bucket or path; reject characters that SQLite, Hadoop or SQL would read as something else."""
    if text.startswith("s3://"):
        if not re.fullmatch(r"s3://[a-z0-9][a-z0-9.-]+/?", text):
            raise argparse.ArgumentTypeError(f"{text} is not s3:// and the name of a bucket")
        return text.rstrip("/")
    folder = Path(text).absolute()
    if odd := re.search(r"[^\w /.,@+=~()-]", str(folder)):
        raise argparse.ArgumentTypeError(
            f"{folder} holds {odd[0]}; use letters, digits, spaces and / . , @ + = ~ - _ ( )"
        )
    if folder.exists() and not folder.is_dir():
        raise argparse.ArgumentTypeError(f"{folder} is not a folder")
    return folder


def port_number(text: str) -> int:
    """Read a port, or raise the ValueError that argparse makes a sentence of."""
    if int(text) not in range(2**16):
        raise ValueError
    return int(text)


def configure_logging(*, verbose: bool) -> None:
    """Log to standard error: of others warnings, of ours progress, too, and details where they are asked for."""
    logging.basicConfig(stream=sys.stderr, format="%(message)s")
    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.DEBUG if verbose else logging.INFO)


def main() -> int:
    """Do what the command line says; return the exit status."""
    arguments = parser().parse_args()
    configure_logging(verbose=arguments.verbose)
    if arguments.command == "run":
        from local import job  # noqa: PLC0415  # Spark's modules take a second, which the others need not spend

        return job.run(arguments.lake, arguments.job, arguments.arguments)
    if arguments.command == "aws":
        from local import aws  # noqa: PLC0415  # boto3 takes a third of a second, likewise

        return aws.serve(arguments.port)
    if arguments.command == "watch":
        from local import watch  # noqa: PLC0415

        return watch.watch(arguments.lake)
    if arguments.command == "athena":
        from local.athena import process  # noqa: PLC0415  # py4j is the server's only

        return process.serve_in_foreground(arguments.lake, arguments.port)
    if arguments.command == "report":
        from local.report import page  # noqa: PLC0415  # Altair takes half a second

        return page.write(arguments.lake, arguments.out and arguments.out.absolute())
    return query.answer(arguments.lake, arguments.query, arguments.format)


if __name__ == "__main__":
    sys.exit(main())
