"""HyperLogLog as Trino keeps it, in plain Python and by sets: slow, and written from the format alone.

``parts`` are users whose sketches are merged. ``SQL`` has Trino make the same of them.
"""

from struct import pack

MASK = 2**64 - 1
BITS, PREFIX = 14, 26

# Trino's approx_set is of 2^12 registers; but a sparse sketch is the same for any, except for the byte that says so.
SQL = """
    select lower(to_hex(cast(sketch as varbinary))), cardinality(sketch) from (
        select merge(sketch) as sketch from (
            select merge(cast(concat(from_hex('020e'), substr(cast(one as varbinary), 3)) as hyperloglog)) as sketch
            from (select part, approx_set(user) as one from ({parts}) as users (part, user) group by part, user)
            group by part
        )
    )
"""


def murmur(text: str) -> int:
    data = text.encode()
    h1 = h2 = 0
    for start in range(0, len(data), 16):
        block = data[start : start + 16].ljust(16, b"\0")
        k1, k2 = (int.from_bytes(block[at : at + 8], "little") for at in (0, 8))
        k1 = rotate(k1 * 0x87C37B91114253D5, 31) * 0x4CF5AD432745937F
        k2 = rotate(k2 * 0x4CF5AD432745937F, 33) * 0x87C37B91114253D5
        if len(data) - start < 16:
            h1, h2 = h1 ^ k1 & MASK, h2 ^ k2 & MASK
        else:
            h1 = ((rotate(h1 ^ k1, 27) + h2) * 5 + 0x52DCE729) & MASK
            h2 = ((rotate(h2 ^ k2, 31) + h1) * 5 + 0x38495AB5) & MASK
    h1, h2 = h1 ^ len(data), h2 ^ len(data)
    h1 = (h1 + h2) & MASK
    h2 = (h2 + h1) & MASK
    return (finish(h1) + finish(h2)) & MASK


def rotate(word: int, bits: int) -> int:
    word &= MASK
    return (word << bits | word >> (64 - bits)) & MASK


def finish(word: int) -> int:
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        word = (word ^ word >> 33) * factor & MASK
    return word ^ word >> 33


def leading_zeros(bits: str) -> int:
    return len(bits) - len(bits.lstrip("0"))


def sketch(*parts: list[str]) -> bytes:
    """Write the sketch of the users of all parts."""
    hashes = {f"{murmur(user):064b}" for part in parts for user in part}
    longest: dict[int, int] = {}
    for bits in hashes:
        prefix = int(bits[:PREFIX], 2)
        longest[prefix] = max(longest.get(prefix, 0), leading_zeros(bits[PREFIX:]))
    if len(longest) <= 2052:
        entries = [pack("<I", prefix * 64 + zeros) for prefix, zeros in sorted(longest.items())]
        return pack("<BBH", 2, BITS, len(entries)) + b"".join(entries)
    registers = [0] * 2**BITS
    for bits in hashes:
        number = int(bits[:BITS], 2)
        registers[number] = max(registers[number], leading_zeros(bits[BITS:]) + 1)
    least = min(registers)
    above = [register - least for register in registers]
    nibbles = "".join(f"{min(each, 15):x}" for each in above)
    over = [(number, each - 15) for number, each in enumerate(above) if each > 15]
    return b"".join([
        pack("<BBB", 3, BITS, least),
        bytes.fromhex(nibbles),
        pack("<H", len(over)),
        *[pack("<H", number) for number, _ in over],
        *[pack("<B", each) for _, each in over],
    ])
