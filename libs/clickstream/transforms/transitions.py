"""What a page transition is, for the job and for the function, which has no Spark: docs/architecture.md has the rule.

The patterns mean the same to Java and to Python. They are possessive, so that a line of any length takes no stack.
"""

COLUMNS = ("prev", "curr", "type", "n")  # as in the Wikipedia clickstream
VIEW = r"[ \t\r\n]*\{"  # what begins so is meant as a view, in JSON
CSV = ",".join([r'("[^"]*+(?:""[^"]*+)*+"|[^",]*+)'] * len(COLUMNS))  # RFC 4180
NUMBER = "[0-9]+"
MOST_VIEWS = 10**12  # of one transition; all readers of Wikipedia in a year
ALL_PAGES = "*"  # stands for all of them together where one page would stand
LONGEST_PAGE = 2048  # bytes: docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
