"""What holds for a text of any record, for jobs and for functions, which have no Spark."""

# Unicode's White_Space, and the spaces without a width: nobody sees where they stand around a text.
WHITE_SPACE = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000\u180e\u200b\u2060\ufeff"
)
CONTROL_CHARACTER = r"[\x00-\x1f\x7f-\x9f]"  # Unicode's Cc, for Java's and Python's regular expressions
LONGEST_USER_ID = 2028  # bytes: with a session's number DynamoDB takes it for a key, which has at most 2048
