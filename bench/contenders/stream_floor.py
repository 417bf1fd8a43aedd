"""The floor of ``events_stream``: the same records by the same source, all that is there, and nothing done to them."""

import sys
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession

from clickstream import kinesis
from local import lake
from local.glue import stand_in

WINDOW_SECONDS = 900  # the job's own, unless it is told another


def main(endpoint: str, stream: str, out: Path) -> None:
    """Read."""
    spark = lake.session(out / "lake")
    stand_in(spark)
    query = read(spark, endpoint, stream).writeStream.foreachBatch(throw_away).trigger(availableNow=True)
    query.option("checkpointLocation", str(out / "checkpoint")).start().awaitTermination()
    spark.stop()


def read(spark: SparkSession, endpoint: str, stream: str) -> DataFrame:
    """Read a stream from its start."""
    place = {"streamName": stream, "endpointUrl": endpoint}
    return kinesis.read_records(spark, place, "trim_horizon", WINDOW_SECONDS)


def throw_away(lines: DataFrame, _: int) -> None:
    """Compute every column of every row, and keep none."""
    lines.write.format("noop").mode("overwrite").save()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
