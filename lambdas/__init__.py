"""One file, one function (``transform`` has two); no Spark. A zip of this folder and ``simulator`` holds them all."""
