"""The floor of ``events_stream``: read the same records from the same source, and do nothing with them."""

import sys
from pathlib import Path

from pyspark.sql import DataFrame

from clickstream.runtime.arguments import Folder
from clickstream.sources import kinesis
from clickstream.sources.kinesis import StreamArguments
from local import lake
from local.glue_stubs import install_glue_stubs


def main(endpoint: str, stream: str, out: Path) -> None:
    """Read all records of the stream."""
    spark = lake.session(out / "lake")
    install_glue_stubs(spark)
    arguments = StreamArguments(
        stream_name=stream, endpoint_url=endpoint, checkpoint_path=Folder(str(out / "checkpoint"))
    )
    query = kinesis.read_records(spark, arguments).writeStream.foreachBatch(throw_away).trigger(availableNow=True)
    query.option("checkpointLocation", arguments.checkpoint_path).start().awaitTermination()
    spark.stop()


def throw_away(lines: DataFrame, _: int) -> None:
    """Compute every column of every row, and write nothing."""
    lines.write.format("noop").mode("overwrite").save()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
