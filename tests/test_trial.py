"""The tests' own check can fail."""


def test_a_column_with_a_zone_is_found(spark, trial):
    spark.sql(f"create table lake.zoned.t (n int, at timestamp) using iceberg location '{trial.folder}/zoned'")
    assert trial.columns_with_a_zone() == ["at"]
    spark.sql("drop table lake.zoned.t")
    for metadata in (trial.folder / "zoned" / "metadata").glob("*.json"):
        metadata.unlink()
