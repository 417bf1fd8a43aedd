"""Sketches: byte for byte those that Trino 406 made of the same users, and those of an oracle in plain Python."""

import hashlib
import json
from pathlib import Path
from random import Random

import hyperloglog_oracle as oracle
import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import functions as F

from clickstream.transforms import hyperloglog

RECORDED = json.loads(Path(__file__).with_name("trino_406_sketches.json").read_bytes())
CASES = [(tuple(map(tuple, case["parts"])), case) for case in RECORDED["cases"]]
NAMES = [case["name"] for case in RECORDED["cases"]]


def named(part):
    return [f"user-{number}" for number in range(*part)]


def sketched(users):
    found = hyperloglog.entries(hyperloglog.hashes(pa.array(users, pa.string())))
    (sketch,), (estimate,) = hyperloglog.sketch_entries(np.zeros(len(found), np.int64), found, 1)
    return sketch, estimate


def merged(*sketches):
    rows = np.zeros(len(sketches), np.int64)
    (sketch,), (estimate,) = hyperloglog.merge(rows, pa.array(sketches, pa.binary()), 1)
    return sketch, estimate


def as_recorded(sketch):
    return sketch.hex() if len(sketch) <= 404 else hashlib.sha256(sketch).hexdigest()


@pytest.mark.parametrize(("parts", "recorded"), CASES, ids=NAMES)
def test_it_is_the_sketch_that_trino_makes(parts, recorded):
    sketch, users = merged(*[sketched(named(part))[0] for part in parts])
    assert (len(sketch), as_recorded(sketch), users) == tuple(
        recorded[key] for key in ("bytes", "sketch", "cardinality")
    )
    assert (sketch, users) == sketched([user for part in parts for user in named(part)])  # <- however it came about
    assert sketch == oracle.sketch(*map(named, parts))


def test_texts_are_hashed_as_utf_8_whatever_their_length():
    recorded = RECORDED["texts"]
    sketch, users = sketched(recorded["texts"])
    assert (sketch.hex(), users) == (recorded["sketch"], recorded["cardinality"])


def test_nobody_is_an_empty_sketch():
    assert sketched([]) == merged() == merged(hyperloglog.EMPTY, hyperloglog.EMPTY) == (bytes.fromhex("020e0000"), 0)


def test_other_sketches_are_named():
    with pytest.raises(ValueError, match="none of Trino's with 2\\^14 registers: 0x0201"):
        merged(bytes.fromhex("020107"))  # <- as DataSketches begins
    with pytest.raises(ValueError, match="0x020c"):
        merged(bytes.fromhex("020c0000"))  # <- approx_set's


def test_any_split_of_any_texts_is_merged_to_one_sketch():
    random = Random(1)
    alphabet = "abc0189-_ é漢😀\0"
    for size in (0, 1, 2, 17, 500, 2_300):
        users = ["".join(random.choices(alphabet, k=random.randrange(50))) for _ in range(size)]
        parts = [users[start :: random.randrange(1, 4)] for start in range(4)]
        expected = oracle.sketch(*parts)
        assert merged(*[sketched(part)[0] for part in parts])[0] == expected
        assert sketched([user for part in parts for user in part])[0] == expected


def test_registers_far_above_the_least_are_kept():
    """One user in 2^15 has a register of 16 and more; it takes more than the four bits."""
    users = [f"v{number}" for number in range(300_000)]
    halves = sketched(users[:160_000])[0], sketched(users[140_000:])[0]
    assert all(len(half) > 3 + 2**13 + 2 for half in halves)
    assert merged(*halves) == sketched(users)
    assert sketched(users)[0] == oracle.sketch(users)
    assert sketched(users)[0][2] > 0  # <- the least register is not 0 any more


def test_keys_are_counted_beside_users_who_are_null(spark):
    rows = [
        # key, views, user
        ("a", 1, "ada"),
        ("a", 2, "bob"),
        ("a", 4, "ada"),
        ("a", 8, None),
        ("b", 1, None),
    ]
    given = spark.createDataFrame(rows, "key string, views bigint, user string").repartition(3)
    counted = given.transform(hyperloglog.per_key, ["key"], users="user").transform(hyperloglog.with_users)
    assert sorted(tuple(row) for row in counted.collect()) == [
        ("a", 4, 15, bytearray(oracle.sketch(["ada", "bob"])), 2),
        ("b", 1, 1, bytearray(hyperloglog.EMPTY), 0),
    ]
    whole = counted.withColumn("all", F.lit("*")).transform(hyperloglog.per_key, ["all"], users="users_sketch")
    assert [tuple(row) for row in whole.transform(hyperloglog.with_users).collect()] == [
        ("*", 2, 16, bytearray(oracle.sketch(["ada", "bob"])), 2)
    ]


@pytest.mark.parametrize(("parts", "recorded"), CASES, ids=NAMES)
def test_trino_reads_what_is_stored(parts, recorded, athena):
    values = ", ".join(f"(from_hex('{sketched(named(part))[0].hex()}'))" for part in parts)
    merged_by_trino = f"select cardinality(merge(cast(sketch as hyperloglog))) from (values {values}) as parts (sketch)"
    assert athena(merged_by_trino) == [(recorded["cardinality"],)]
