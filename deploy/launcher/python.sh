# Sets $python to a Python of at least 3.11, or stops with a sentence. Read by ../../run and ../../test.
python=
for name in python3 python3.14 python3.13 python3.12 python3.11 python; do
  if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    python=$name
    break
  fi
done
if [ -z "$python" ]; then
  echo "Vestnik needs Python 3.11 or newer, and none was found on PATH (on Debian or Ubuntu: apt-get install python3)." >&2
  exit 1
fi
unset PYTHONHOME PYTHONPATH
