"""What may be asked: one statement that reads. Everything else ends in a sentence before the server sees it."""

import re
from dataclasses import dataclass

READ = {"SELECT", "WITH", "VALUES", "TABLE", "SHOW", "DESCRIBE", "DESC", "MSCK", "("}
PARTITIONS = "the partitions of clickstream are projected, those of the other tables are Iceberg's"
NOT_RUN = {  # by how they begin: what Athena runs, and Trino does not know
    "OPTIMIZE": "OPTIMIZE is not run here; python -m local run maintain compacts tables",
    "VACUUM": "VACUUM is not run here; python -m local run maintain expires snapshots and deletes orphan files",
    "UNLOAD": "UNLOAD is not run here; --format csv or json prints an answer, to be sent into a file",
    "CREATE EXTERNAL": "CREATE EXTERNAL TABLE is not run here; the tables are those of ddl/tables",
}
TOKEN = re.compile(r"""(?P<nothing>\s+|--[^\n]*|/\*.*?\*/)|(?P<end>;)|\w+|'(?:[^']|'')*'|"(?:[^"]|"")*"|.""", re.DOTALL)


class StatementError(Exception):
    """A statement is not answered; the message is one sentence."""


@dataclass(frozen=True)
class Statement:
    """A statement: its text, and its words, strings and signs."""

    text: str
    words: list[str]

    def begins(self, *words: str) -> bool:
        """Whether it begins with these words, which are in capitals."""
        return [word.upper() for word in self.words[: len(words)]] == list(words)


def parse(text: str) -> Statement:
    """Find the one statement of a text, and leave its characters where they are: errors name line and column."""
    found: list[list[str]] = [[]]
    whole = ""
    for token in TOKEN.finditer(text):
        whole += " " if token.lastgroup == "end" else token[0]
        if token.lastgroup == "end":
            found.append([])
        elif token.lastgroup != "nothing":
            found[-1].append(token[0])
    statements = [words for words in found if words]
    if len(statements) != 1:
        raise StatementError(f"one statement is answered at a time, not {len(statements)}")
    check([word.upper() for word in statements[0]])
    return Statement(whole, statements[0])


def check(words: list[str]) -> None:
    """Raise ``StatementError`` for a statement that writes, or that only Athena knows. The words are in capitals."""
    while words[:1] == ["EXPLAIN"]:
        words = explained(words[1:])
    if not words:
        raise StatementError("EXPLAIN needs a statement after it")
    if words[:2] == ["ALTER", "TABLE"] and {"ADD", "PARTITION"} <= {*words}:
        raise StatementError(f"ALTER TABLE ADD PARTITION is not run here; {PARTITIONS}")
    for beginning, sentence in NOT_RUN.items():
        if words[: len(beginning.split())] == beginning.split():
            raise StatementError(sentence)
    if words[0] not in READ:
        raise StatementError(f"{words[0]} is not run here; python -m local sql only reads")


def explained(words: list[str]) -> list[str]:
    """Return the statement behind EXPLAIN and its options."""
    while words and words[0] in {"ANALYZE", "VERBOSE"}:
        words = words[1:]
    has_options = words[:1] == ["("] and {"TYPE", "FORMAT"} & {*words[1:2]}
    return words[words.index(")") + 1 :] if has_options and ")" in words else words
