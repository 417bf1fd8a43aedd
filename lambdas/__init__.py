"""One function per file (``transform`` has two), without Spark.

One zip holds them and the library; that of ``simulate`` holds the simulator and Faker besides.
"""
