"""Glue's own options, the session that they make, and its logs."""

import logging
from contextlib import contextmanager

import pytest

from clickstream.errors import ArgumentError
from clickstream.runtime import glue
from local.glue_stubs import install_glue_stubs

NEEDED = ["--JOB_NAME", "nightly", "--TempDir", "s3://lake/tmp"]


def resolve(*words):
    return glue.resolve_options(["job.py", *words])


def test_glues_own_options_are_read():
    options = resolve("--JOB_ID", "j_1", *NEEDED, "--job-bookmark-option", "job-bookmark-disable", "--raw_path", "raw")
    assert options["JOB_NAME"] == "nightly"
    assert options["TempDir"] == "s3://lake/tmp"
    assert options["JOB_ID"] == "j_1"
    assert "raw_path" not in options


def test_of_two_the_last_is_taken():
    assert resolve(*NEEDED, "--TempDir", "s3://other/tmp", "--JOB_NAME=by_hand")["TempDir"] == "s3://other/tmp"


def test_what_the_jobs_arguments_hold_is_not_for_glue():
    assert resolve("--reason", "-h", *NEEDED, "--raw_path=--TempDir")["TempDir"] == "s3://lake/tmp"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (NEEDED[2:], "the following arguments are required: --JOB_NAME"),
        (
            NEEDED[:2],
            "--TempDir missing; the job needs a folder for the rows that it materializes, such as s3://bucket/",
        ),
        ([*NEEDED[:2], "--TempDir="], "--TempDir missing; the job needs a folder"),
        ([*NEEDED[:2], "--TempDir"], "argument --TempDir: expected one argument"),
        ([*NEEDED[:2], "--TempDir", "s3://lake/*"], "--TempDir must be a folder's path, in a bucket not the bucket"),
        ([*NEEDED, "--job-bookmark-option", "yes"], "argument --job-bookmark-option: invalid choice: 'yes'"),
    ],
)
def test_what_is_wrong_with_them_is_one_sentence(words, sentence):
    with pytest.raises(ArgumentError) as raised:
        resolve(*words)
    assert str(raised.value).startswith(sentence)
    assert "\n" not in str(raised.value)


@pytest.fixture
def settings(spark):
    """Put the settings of the shared session back."""
    before = glue.temp_dir(spark)
    yield spark.conf
    spark.conf.set(glue.TEMP_DIR, before)


@pytest.mark.usefixtures("settings")
def test_a_session_knows_its_folder_and_commits(spark):
    committed = install_glue_stubs(spark)
    with glue.glue_session(["job.py", "--JOB_NAME", "nightly", "--TempDir", "s3://lake/tmp//"]) as session:
        assert glue.temp_dir(session) == "s3://lake/tmp"
        assert session.conf.get("spark.sql.session.timeZone") == "UTC"
        assert committed == []
    assert committed == ["nightly"]


@pytest.mark.usefixtures("settings")
def test_a_session_that_fails_commits_nothing(spark):
    committed = install_glue_stubs(spark)
    with pytest.raises(ZeroDivisionError), glue.glue_session(["job.py", *NEEDED]):
        raise ZeroDivisionError
    assert committed == []


def test_a_session_without_its_folder_is_one_sentence(spark, settings):
    settings.unset(glue.TEMP_DIR)
    with pytest.raises(ArgumentError, match=r"^--TempDir missing; the job needs a folder"):
        glue.temp_dir(spark)


@contextmanager
def root_logger(*handlers):
    """Give the root logger with these handlers, and put it back: pytest adds its own once a test is called."""
    root = logging.getLogger()
    before = root.handlers, root.level
    root.handlers = list(handlers)
    root.setLevel(logging.WARNING)
    try:
        yield root
    finally:
        root.handlers = before[0]
        root.setLevel(before[1])


def test_logs_name_their_logger(capsys):
    with root_logger():
        glue.configure_logging()
        logging.getLogger("clickstream.storage.load").info("published")
        logging.getLogger("clickstream.storage.load").debug("in detail")
        logging.getLogger("py4j.clientserver").info("a connection was closed")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(" INFO clickstream.storage.load: published")


def test_where_logs_go_already_nothing_is_changed():
    handler, py4j = logging.NullHandler(), logging.getLogger("py4j")
    before = py4j.level
    py4j.setLevel(logging.DEBUG)
    with root_logger(handler) as root:
        glue.configure_logging()
        assert root.handlers == [handler]
        assert (root.level, py4j.level) == (logging.WARNING, logging.DEBUG)
    py4j.setLevel(before)
