"""A record that the code cannot process, though it breaks no rule: found in its batch, and set aside.

A batch that fails for its data is computed again without being written, of more and more of its records in a fixed
order, until the record is found with which it begins to fail. Then the batch is processed once, as a whole and under
its own name, without such records. So what it writes replaces or repeats what an earlier attempt has written, as with
any batch. Whenever the batch is read again the same records are found: they are known by their content.
"""

import logging
from collections.abc import Callable, Iterable

from py4j.protocol import Py4JJavaError
from pyspark.errors import AnalysisException, PySparkException
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from clickstream import schemas
from clickstream.validation import UNPROCESSABLE

Compute = Callable[[DataFrame], Iterable[DataFrame]]
"""Records (``schemas.RAW_LINE``) -> all that a batch of them computes, in the order in which it does."""

MOST = 100  # in a batch; where more of its records fail, the code does, and the run with it
LONGEST_ERROR = 200  # characters
NOT_OF_DATA = (  # what a Java error is caused by that other data would not cure
    "java.io.",
    "java.net.",
    "java.lang.OutOfMemoryError",
    "java.util.concurrent.TimeoutException",
    "org.apache.hadoop.",
    "org.apache.iceberg.",
    "software.amazon.",
    "com.amazonaws.",
)

logger = logging.getLogger(__name__)


def is_of_data(error: BaseException) -> bool:
    """Whether other data might not cause the error: not a mistake of ours in Python or SQL, not storage or network."""
    if isinstance(error, AnalysisException) or not isinstance(error, PySparkException | Py4JJavaError):
        return False
    return not any(text.startswith(NOT_OF_DATA) for text in _causes(error))


def find(records: DataFrame, compute: Compute) -> dict[str, str]:
    """Return the records without which the others can be computed, by ``_key``, with the error of each.

    Return none if the error is not of the records: all can be computed, or not even nothing can, or an error does not
    come twice, or there are more than ``MOST``.
    """
    in_turn = Window.orderBy("arrived_at", "key")
    keyed = records.withColumn("key", _key()).dropDuplicates(["key"])
    numbered = keyed.withColumn("number", F.row_number().over(in_turn)).persist()
    try:
        return _Search(numbered, compute).run()
    finally:
        numbered.unpersist()


def split(records: DataFrame, found: dict[str, str]) -> tuple[DataFrame, DataFrame]:
    """Return the other records, and those ``found`` with their reasons."""
    errors = records.sparkSession.createDataFrame(list(found.items()), "key string, error string")
    marked = records.withColumn("key", _key()).join(F.broadcast(errors), "key", "left")
    columns = schemas.RAW_LINE.names
    reasons = F.array(F.lit(UNPROCESSABLE), "error").alias("reasons")
    return marked.where("error is null").select(*columns), marked.where("error is not null").select(*columns, reasons)


class _Search:
    def __init__(self, numbered: DataFrame, compute: Compute) -> None:
        self._numbered, self._compute = numbered, compute
        self._found: dict[int, str] = {}  # by number

    def run(self) -> dict[str, str]:
        last, computed = self._numbered.count(), 0
        if self._error_of(0):
            return {}
        while error := self._error_of(last):
            number, error = self._first_failing(computed, last, error)
            if len(self._found) == MOST or self._error_of(number) is None:
                return {}
            self._found[number], computed = _text(error), number
        rows = self._numbered.where(F.col("number").isin([*self._found])).select("number", "key", "origin").collect()
        for row in rows:
            logger.warning("a record of %s cannot be processed: %s", row.origin, self._found[row.number])
        return {row.key: self._found[row.number] for row in rows}

    def _first_failing(self, computed: int, fails: int, error: Exception) -> tuple[int, Exception]:
        """Halve what lies between a number of records that can be computed and one that cannot."""
        while fails - computed > 1:
            middle = (computed + fails) // 2
            if earlier := self._error_of(middle):
                fails, error = middle, earlier
            else:
                computed = middle
        return fails, error

    def _error_of(self, until: int) -> Exception | None:
        """Compute the first records, but for those found."""
        chosen = (F.col("number") <= until) & ~F.col("number").isin([*self._found])
        try:
            for rows in self._compute(self._numbered.where(chosen).select(*schemas.RAW_LINE.names)):
                rows.write.format("noop").mode("overwrite").save()
        except Exception as error:
            if not is_of_data(error):
                raise
            return error
        return None


def _key() -> Column:
    return F.sha2(F.concat_ws("\n", "origin", "raw"), 256)


def _causes(error: BaseException) -> list[str]:
    """Return the error of the JVM and what it was caused by, as text; the last one is the root."""
    java = error.java_exception if isinstance(error, Py4JJavaError) else getattr(error, "_origin", None)
    texts = []
    while java is not None:
        texts.append(str(java.toString()))
        java = java.getCause()
    return texts


def _text(error: BaseException) -> str:
    causes = _causes(error) or [f"{type(error).__name__}: {error}"]
    return causes[-1].partition("\n")[0][:LONGEST_ERROR]
