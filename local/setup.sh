#!/usr/bin/env bash
# Makes a virtual environment with the versions of one Glue release.
#   local/setup.sh 6.0    .venv      Spark 4.1.1, Python 3.13
#   local/setup.sh 5.1    .venv-5.1  Spark 3.5.6, Python 3.11
set -euo pipefail
cd "$(dirname "$0")/.."

stop() { printf 'setup: %s\n' "$1" >&2; exit 1; }

case "${1:-}" in
  6.0) python_version=3.13 venv=.venv ;;
  5.1) python_version=3.11 venv=.venv-5.1 ;;
  *) stop "which Glue release? local/setup.sh 6.0 or local/setup.sh 5.1" ;;
esac

java="${JAVA_HOME:+$JAVA_HOME/bin/}java"
java_version=$("$java" -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p') || true
case "$java_version" in
  17) ;;
  "") stop "Java 17 is needed and no java was found: install it (apt install openjdk-17-jre-headless, brew install openjdk@17) or set JAVA_HOME" ;;
  *) stop "Java 17 is needed and $java is version $java_version: install 17 beside it and set JAVA_HOME" ;;
esac

works() { "$1" -c "import sys, venv; sys.exit('%d.%d' % sys.version_info[:2] != '$2')" >/dev/null 2>&1; }

# The first of: python3.N on the PATH, python3, one that pyenv holds; empty where there is none.
find_python() {
  local pyenv_prefix
  pyenv_prefix=$(pyenv prefix "$(pyenv latest "$1" 2>/dev/null)" 2>/dev/null || true)
  for candidate in "python$1" python3 "$pyenv_prefix/bin/python"; do
    if works "$candidate" "$1"; then "$candidate" -c "import sys; print(sys.executable)"; return; fi
  done
}

uv=.tools/bin/uv
uv_version=$(sed -n 's/^required-version = "==\(.*\)"/\1/p' pyproject.toml)
if [ "$("$uv" --version 2>/dev/null | cut -d' ' -f2)" != "$uv_version" ]; then
  echo "setup: uv $uv_version -> .tools"
  python3 -m venv .tools || stop "python3 with the venv module is needed to begin with (apt install python3-venv)"
  .tools/bin/python -m pip install --quiet --disable-pip-version-check "uv==$uv_version"
fi

python=$(find_python "$python_version")
if [ -z "$python" ]; then
  echo "setup: no Python $python_version on this machine, fetching one"
  "$uv" python install "$python_version" ||
    stop "Python $python_version is needed for Glue $1: install it (pyenv install $python_version, apt install python$python_version-venv, python.org)"
  python=$python_version
fi

echo "setup: Glue $1 -> $venv"
UV_PROJECT_ENVIRONMENT=$venv "$uv" sync --quiet --locked --python "$python" --group "glue-${1/./-}" --group dev
"$venv/bin/python" -m local.jars

# Java loads classes faster from an archive of those that an earlier run has loaded: seconds of each later run.
archive=$venv/spark.jsa
if [ ! "$archive" -nt "$(echo "$venv"/lib/python*/site-packages/pyspark/jars)" ] && "$java" -Xshare:on -version 2>/dev/null; then
  echo "setup: a first run of a job, whose Java classes later ones share -> $archive"
  rm -f "$archive"
  lake=$(mktemp -d)
  trap 'rm -rf "$lake"' EXIT
  SPARK_SUBMIT_OPTS="-XX:ArchiveClassesAtExit=$PWD/$archive.new" "$venv/bin/python" -m local --lake "$lake" \
    run events_batch --raw_path examples --events_table events --quarantine_table quarantine 2>&1 |
    cat >"$lake/log" || # which ends with Java: that outlives Python, while it writes the archive
    { cat "$lake/log" >&2; stop "the first run of a job failed"; }
  mv "$archive.new" "$archive"
fi
