"""Fields of a record, cleaned and judged alike in every input: texts, and ids such as ``user_id``."""

from pyspark.sql import Column
from pyspark.sql import functions as F

from clickstream.transforms import texts
from clickstream.validation import Rules

# A number with a point or an exponent, a boolean, an object, an array; whole numbers do as well as text.
NOT_AN_ID = r'^(-?\d+([.]\d*)?[eE][+-]?\d+|-?\d+[.]\d*|"-?Infinity"|true|false|[\[{].*)\z'
_WHITE_SPACE = "'" + "".join(f"\\u{ord(character):04x}" for character in texts.WHITE_SPACE) + "'"


def text(field: str) -> Column:
    """Trim a text, given in SQL; what holds nothing else than white space is null, as if it had not been sent."""
    is_trimmed = f"ascii({field}) between 33 and 126 and substr(cast({field} as binary), -1) between X'21' and X'7E'"
    return F.expr(f"if({is_trimmed}, {field}, nullif(trim(both {_WHITE_SPACE} from {field}), ''))")


def text_in(object_: str, field: str) -> Column:
    """Return a field of an object that stands in a column as JSON, as ``text`` does."""
    return text(f"get_json_object({object_}, '$.{field}')")


def is_text(name: str, suspicious: str) -> Column:
    """Whether a field was sent as a JSON text: ``json_records.with_fields`` makes text of everything else, too.

    Only where the text matches the pattern ``suspicious`` is the line looked at again.
    """
    kinds = ("double", "boolean", "map<string,string>", "array<string>")
    as_other = F.coalesce(*[F.from_json("raw", f"{name} {kind}")[name].cast("string") for kind in kinds])
    is_null = F.from_json("raw", f"{name} string")[name].isNull()  # where it comes twice, null at last
    return ~(F.col(name).rlike(suspicious) & (as_other.isNotNull() | is_null))


def id_rules(name: str, longest: int) -> Rules:
    """Say what has to hold for an id, if there is one, of at most ``longest`` bytes."""
    is_absent = ~F.col("is_object") | F.col(name).isNull()
    return {
        f"{name}_not_text": is_absent | is_text(name, NOT_AN_ID),
        f"{name}_too_long": is_absent | (F.octet_length(name) <= longest),
        f"{name}_control_character": is_absent | ~F.col(name).rlike(texts.CONTROL_CHARACTER),
    }
