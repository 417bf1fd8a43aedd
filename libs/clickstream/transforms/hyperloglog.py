"""Distinct users as HyperLogLog sketches, byte for byte as Trino keeps them: Athena merges and counts what is stored.

A user is an entry of 32 bits: 26 of the hash, and how many zeros lead the others. A sketch holds its entries in order
(sparse) as long as they take less room than its 2^14 registers (dense), which keep the most zeros that an entry of
theirs begins with. Which of both, and each byte, depends on the users alone, not on how they came.

Column functions do not reach it (Spark has no 64-bit Murmur3, and its arithmetic raises where this one wraps), so these
are functions over batches of Arrow, in NumPy. docs/decisions/0022-sketches-that-athena-merges.md says more.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa  # type: ignore[import-untyped]
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, BinaryType, DecimalType, LongType, StructField, StructType

from clickstream.transforms.hyperloglog_bias import BIAS, RAW_ESTIMATES

BITS = 14  # 2^14 registers: a standard error of 0.8% in 8 KiB, less of both for few users
REGISTERS = 1 << BITS
PREFIX_BITS, ZEROS_BITS, HASH_BITS = 26, 6, 64
MOST_ENTRIES = 2052  # of a sparse sketch: one more takes more of Trino's memory than the registers
SPARSE, DENSE = 2, 3
EMPTY = bytes([SPARSE, BITS, 0, 0])  # no users
SKETCHES = "users_sketches"  # an array of sketches, of one key

Batches = Iterable[pa.RecordBatch]
Ints = npt.NDArray[Any]

_C1, _C2 = np.uint64(0x87C37B91114253D5), np.uint64(0x4CF5AD432745937F)
_BYTES = np.array([(1 << 8 * size) - 1 for size in range(9)], np.uint64)  # masks of so many
_REST_BITS = PREFIX_BITS - BITS  # of an entry's prefix, beside the number of its register
_LINEAR_UP_TO = 0.4  # of the registers empty, or more
_NIBBLE = 15


def per_key(rows: DataFrame, key: Sequence[str], users: str) -> DataFrame:
    """Count the rows of each key (``records``), add up ``views`` and sketch ``users``: texts, or sketches to merge.

    The sketches are an array, ``SKETCHES``, for ``with_users``: one of each batch of Arrow that had rows of the key.
    """
    keys = [rows.schema[name] for name in key]
    counted = [StructField("records", LongType()), StructField("views", DecimalType(38))]
    schema = StructType([*keys, *counted, StructField("users_sketch", BinaryType())])
    sketched = rows.select(*key, "views", F.col(users).alias("users")).mapInArrow(_sketch_batches(key), schema)
    sums = (F.sum(column.name).alias(column.name) for column in counted)
    return sketched.groupBy(*key).agg(*sums, F.collect_list("users_sketch").alias(SKETCHES))


def with_users(rows: DataFrame) -> DataFrame:
    """Merge each row's ``SKETCHES`` into ``users_sketch``, and estimate ``users``."""
    columns = [column for column in rows.schema if column.name != SKETCHES]
    made = [StructField("users_sketch", BinaryType()), StructField("users", LongType())]
    sketches = F.col(SKETCHES).cast(ArrayType(BinaryType())).alias(SKETCHES)
    given = rows.select(*[column.name for column in columns], sketches)
    return given.mapInArrow(_merge_batches, StructType([*columns, *made]))


def _sketch_batches(key: Sequence[str]) -> Callable[[Batches], Iterator[pa.RecordBatch]]:
    names = [*key]

    def sketch(batches: Batches) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            rows = pa.Table.from_batches([batch])
            users, views = batch.column("users"), batch.column("views").cast(pa.decimal128(38))
            rows = rows.set_column(rows.column_names.index("views"), "views", views)
            rows = rows.set_column(rows.column_names.index("users"), "row", pa.array(np.arange(len(users))))
            groups = rows.group_by(names, use_threads=False).aggregate([
                ("row", "count"),
                ("views", "sum"),
                ("row", "list"),
            ])
            lists = groups["row_list"].combine_chunks()
            key_of = np.empty(len(users), np.int64)
            key_of[lists.flatten().to_numpy()] = np.repeat(np.arange(len(lists)), lists.value_lengths().to_numpy())
            is_known = users.is_valid().to_numpy(zero_copy_only=False)
            if pa.types.is_binary(users.type):
                sketches, _ = merge(key_of[is_known], users.drop_null(), len(lists))
            else:
                sketches, _ = sketch_entries(key_of[is_known], entries(hashes(users.drop_null())), len(lists))
            columns = [*[groups[name].combine_chunks() for name in names], groups["row_count"].combine_chunks()]
            views = groups["views_sum"].combine_chunks().cast(pa.decimal128(38))
            yield pa.RecordBatch.from_arrays(
                [*columns, views, pa.array(sketches, pa.binary())], [*names, "records", "views", "users_sketch"]
            )

    return sketch


def _merge_batches(batches: Batches) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        *others, sketches = batch.columns
        *names, _ = batch.schema.names
        rows = np.repeat(np.arange(len(sketches)), sketches.value_lengths().fill_null(0).to_numpy())
        merged, users = merge(rows, sketches.flatten(), len(sketches))
        columns = [*others, pa.array(merged, pa.binary()), pa.array(users, pa.int64())]
        yield pa.RecordBatch.from_arrays(columns, [*names, "users_sketch", "users"])


def hashes(texts: pa.StringArray) -> Ints:
    """Hash the UTF-8 bytes of texts: the first half of Murmur3 x64 128 with seed 0."""
    if not len(texts):
        return np.empty(0, np.uint64)
    _, offsets, content = texts.buffers()
    ends = np.frombuffer(offsets, np.int32)[texts.offset : texts.offset + len(texts) + 1].astype(np.int64)
    padded = np.concatenate([np.frombuffer(content or b"", np.uint8), np.zeros(16, np.uint8)])
    words = np.ndarray(len(padded) - 7, "<u8", padded, strides=(1,))  # eight bytes from each byte on
    starts, sizes = ends[:-1], np.diff(ends)
    h1, h2 = np.zeros(len(texts), np.uint64), np.zeros(len(texts), np.uint64)
    for block in range(int(sizes.max()) // 16):
        some = np.flatnonzero(sizes >= 16 * (block + 1))
        at = starts[some] + 16 * block
        a, b = h1[some] ^ _mixed_1(words[at]), h2[some]
        a = (_rotated(a, 27) + b) * np.uint64(5) + np.uint64(0x52DCE729)
        b = b ^ _mixed_2(words[at + 8])
        b = (_rotated(b, 31) + a) * np.uint64(5) + np.uint64(0x38495AB5)
        h1[some], h2[some] = a, b
    rest = sizes % 16
    at = starts + sizes - rest
    h1 ^= _mixed_1(words[at] & _BYTES[np.minimum(rest, 8)]) ^ sizes.astype(np.uint64)
    h2 ^= _mixed_2(words[at + 8] & _BYTES[np.maximum(rest - 8, 0)]) ^ sizes.astype(np.uint64)
    h1 += h2
    h2 += h1
    return _finished(h1) + _finished(h2)


def _mixed_1(word: Ints) -> Ints:
    return _rotated(word * _C1, 31) * _C2


def _mixed_2(word: Ints) -> Ints:
    return _rotated(word * _C2, 33) * _C1


def _rotated(word: Ints, bits: int) -> Ints:
    return (word << np.uint64(bits)) | (word >> np.uint64(HASH_BITS - bits))


def _finished(word: Ints) -> Ints:
    word = (word ^ (word >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    word = (word ^ (word >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
    return np.asarray(word ^ (word >> np.uint64(33)))


def entries(hashed: Ints) -> Ints:
    """Turn hashes into entries."""
    rest = HASH_BITS - PREFIX_BITS
    zeros = rest - _bit_length(hashed & np.uint64((1 << rest) - 1))
    return (hashed >> np.uint64(rest)).astype(np.uint32) << np.uint32(ZEROS_BITS) | zeros.astype(np.uint32)


def merge(rows: Ints, sketches: pa.BinaryArray, count: int) -> tuple[list[bytes], Ints]:
    """Merge the sketches that are of one row each; return the sketches and the estimates of rows 0 to count."""
    known, of_rows, dense = [], [], []
    for row, sketch in zip(rows.tolist(), sketches.to_pylist(), strict=True):
        if sketch[0] not in {SPARSE, DENSE} or sketch[1] != BITS:
            raise ValueError(f"users_sketch is none of Trino's with 2^{BITS} registers: 0x{sketch[:2].hex()}…")
        if sketch[0] == DENSE:
            dense.append((row, sketch))
        else:
            known.append(sketch[4:])
            of_rows.append(row)
    sizes = [len(part) // 4 for part in known]
    return sketch_entries(
        np.repeat(of_rows, sizes).astype(np.int64), np.frombuffer(b"".join(known), "<u4"), count, dense
    )


def sketch_entries(
    rows: Ints, found: Ints, count: int, dense: Sequence[tuple[int, bytes]] = ()
) -> tuple[list[bytes], Ints]:
    """Make the sketches of rows 0 to count, of entries and of dense sketches that are of one row each.

    Of entries with one prefix the one with the most zeros stays.
    """
    sorted_entries = np.sort(rows.astype(np.uint64) << np.uint64(32) | found.astype(np.uint64))
    prefixes = sorted_entries >> np.uint64(ZEROS_BITS)
    is_last = np.append(prefixes[1:] != prefixes[:-1], True)[: len(prefixes)]
    sorted_entries = sorted_entries[is_last]
    sizes = np.bincount((sorted_entries >> np.uint64(32)).astype(np.int64), minlength=count)
    ends = np.cumsum(sizes)
    kept = sorted_entries.astype("<u4")
    content = kept.tobytes()
    sketches = [
        EMPTY[:2] + size.to_bytes(2, "little") + content[4 * (end - size) : 4 * end] if size <= MOST_ENTRIES else b""
        for size, end in zip(sizes.tolist(), ends.tolist(), strict=True)
    ]
    users = _linear(sizes, 1 << PREFIX_BITS)
    registers = {row: np.zeros(REGISTERS, np.uint8) for row in np.flatnonzero(sizes > MOST_ENTRIES).tolist()}
    for row, sketch in dense:
        registers[row] = (
            np.maximum(_registers_in(sketch), registers[row]) if row in registers else _registers_in(sketch)
        )
    for row, of_row in registers.items():
        _raise(of_row, kept[ends[row] - sizes[row] : ends[row]])
        sketches[row], users[row] = _dense(of_row), _estimate(of_row)
    return sketches, users


def _raise(registers: Ints, found: Ints) -> None:
    """Let registers keep what entries begin with."""
    number = found >> (_REST_BITS + ZEROS_BITS)
    rest = (found >> ZEROS_BITS) & ((1 << _REST_BITS) - 1)
    zeros = np.where(rest > 0, _REST_BITS - _bit_length(rest), _REST_BITS + (found & ((1 << ZEROS_BITS) - 1)))
    np.maximum.at(registers, number, (zeros + 1).astype(np.uint8))


def _dense(registers: Ints) -> bytes:
    """Write registers: the least of them, by how much each exceeds it in four bits, and what exceeds those."""
    least = registers.min()
    above = registers - least
    low = np.minimum(above, _NIBBLE)
    (over,) = np.nonzero(above > _NIBBLE)
    return b"".join([
        bytes([DENSE, BITS, int(least)]),
        (low[::2] << 4 | low[1::2]).tobytes(),
        len(over).to_bytes(2, "little"),
        over.astype("<u2").tobytes(),
        (above[over] - _NIBBLE).tobytes(),
    ])


def _registers_in(sketch: bytes) -> Ints:
    content = np.frombuffer(sketch, np.uint8)
    pairs, rest = content[3 : 3 + REGISTERS // 2], content[3 + REGISTERS // 2 :]
    registers = np.stack([pairs >> 4, pairs & _NIBBLE], axis=1).ravel()
    size = int.from_bytes(rest[:2].tobytes(), "little")
    registers[rest[2 : 2 + 2 * size].view("<u2")] += rest[2 + 2 * size :]
    return np.asarray(registers + content[2])


def _estimate(registers: Ints) -> int:
    of_each = np.bincount(registers)
    if of_each[0] > _LINEAR_UP_TO * REGISTERS:
        return int(_linear(np.array([REGISTERS - of_each[0]]), REGISTERS)[0])
    alpha = 0.7213 / (1 + 1.079 / REGISTERS)
    raw = float(alpha * REGISTERS * REGISTERS / np.sum(of_each * 0.5 ** np.arange(len(of_each))))
    if RAW_ESTIMATES[0] <= raw <= RAW_ESTIMATES[-1]:
        raw -= float(np.interp(raw, RAW_ESTIMATES, BIAS))
    return int(np.floor(raw + 0.5))


def _linear(taken: Ints, buckets: int) -> Ints:
    """Estimate how many were thrown into buckets, of which so many are taken."""
    return np.floor(buckets * np.log(buckets / (buckets - taken)) + 0.5).astype(np.int64)


def _bit_length(numbers: Ints) -> Ints:
    _, exponents = np.frexp(numbers.astype(np.float64))
    return np.asarray(exponents)
