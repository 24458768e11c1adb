#!/bin/sh
# Set up .venv from a lock file: tools/bootstrap.sh demo | dev
#
# demo installs what `make demo` runs, dev adds the tests and the checkers; a dev environment serves the demo too.
# uv installs the packages, several times faster than pip: the one on the PATH, else the one that the lock names. Does
# nothing when the environment is already what the lock says, and repairs one that an interrupted run left behind.
# PYTHON names the interpreter to use.
set -eu

refuse() {
    printf 'millrace: %s\n' "$1" >&2
    exit 1
}

say() {
    printf 'millrace: %s\n' "$1"
}

kind=${1:-}
case $kind in
    demo | dev) ;;
    *) refuse "say which environment to set up: tools/bootstrap.sh demo, or tools/bootstrap.sh dev" ;;
esac
cd "$(dirname "$0")/.."

venv_python=.venv/bin/python
stamp=.venv/millrace-stamp
lock=var/bootstrap.lock

# What the environment was made from: the place, because an environment cannot be moved, lock and project file.
key() {
    printf '%s\n%s\n' "$PWD" "$1"
    cksum "requirements/$1.lock" pyproject.toml
}

# Exit status 0 if the interpreter $1 is new enough; any Python, however old, can read this.
is_new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info[:2] < (3, 11))' 2>/dev/null
}

version_of() {
    "$1" -c 'import sys; print(".".join(map(str, sys.version_info[:3])))' 2>/dev/null
}

is_ready() {
    [ -f "$stamp" ] && [ -x "$venv_python" ] || return 1
    stamped=$(cat "$stamp")
    [ "$stamped" = "$(key dev)" ] || { [ "$kind" = demo ] && [ "$stamped" = "$(key demo)" ]; } || return 1
    [ -z "${PYTHON:-}" ] || [ "$(version_of "$PYTHON")" = "$(version_of "$venv_python")" ]
}

check_system() {
    system=$(uname -s)
    case $system in
        Linux | Darwin) ;;
        MINGW* | MSYS* | CYGWIN* | Windows*) refuse "Windows is not supported; run this inside WSL 2 (wsl --install)." ;;
        *) refuse "$system is not supported; run this on Linux or macOS." ;;
    esac
    machine=$(uname -m)
    case $machine in
        x86_64 | amd64 | arm64 | aarch64) ;;
        *) refuse "no ClickHouse engine is published for $machine; run this on a 64-bit Intel, AMD or ARM machine." ;;
    esac
}

# Sets $python to the first interpreter that is new enough.
find_python() {
    remedy="install one (Debian, Ubuntu: apt install python3 python3-venv; macOS: brew install python@3.13) or name one: PYTHON=/path/to/python3.13"
    if [ -n "${PYTHON:-}" ]; then
        python=$PYTHON
        found=$(version_of "$python") || refuse "PYTHON=$python does not run; name a Python 3.11 or later."
        is_new_enough "$python" || refuse "PYTHON=$python is Python $found, and 3.11 or later is needed: $remedy."
        return
    fi
    for python in python3.13 python3.12 python3.11 python3; do
        ! is_new_enough "$python" || return 0
    done
    if [ -n "$uv" ] && python=$("$uv" python find --no-python-downloads '>=3.11' 2>/dev/null); then
        return
    fi
    found=$(version_of python3) || refuse "Python 3.11 or later is needed and none is on the PATH: $remedy."
    refuse "Python 3.11 or later is needed and python3 is $found: $remedy."
}

make_venv() {
    # Debian ships venv without the ensurepip that it needs, hence both.
    [ -n "$uv" ] || "$python" -c 'import venv, ensurepip' 2>/dev/null ||
        refuse "$python has no venv module: install it (Debian, Ubuntu: apt install python3-venv) or install uv."
    say "making .venv with Python $(version_of "$python")"
    if [ -n "$uv" ]; then
        "$uv" venv --quiet --clear --python "$python" .venv
    else
        "$python" -m venv --clear .venv
    fi || refuse "making .venv failed for the reason above; remove .venv and run this again."
}

# Whether .venv can be brought up to date in place: a run that was interrupted left no stamp.
is_usable() {
    [ -f "$stamp" ] || return 1
    { IFS= read -r place && read -r was; } <"$stamp"
    [ "$place" = "$PWD" ] && [ "$(version_of "$venv_python")" = "$(version_of "$python")" ]
}

# One set-up at a time. The lock is a link whose target is the holder's process id, so that it appears with its owner.
lock_out_others() {
    mkdir -p var && [ -w var ] || refuse "cannot write to $PWD; make it writable for $(id -un)."
    until ln -s "$$" "$lock" 2>/dev/null; do
        if holder=$(readlink "$lock") && ! kill -0 "$holder" 2>/dev/null; then
            rm -f "$lock"
        else
            sleep 1
        fi
    done
    trap 'rm -f "$lock"' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
}

with_pip() {
    "$venv_python" -m pip --quiet --no-input --disable-pip-version-check "$@"
}

# Without a uv on the PATH: into .venv, the version and hashes of the lock.
fetch_uv() {
    [ ! -x .venv/bin/uv ] || return 0
    sed -n '/^uv==/,/^[[:space:]]*#/p' "requirements/$kind.lock" >.venv/uv.lock
    with_pip install --require-hashes --no-deps --only-binary :all: -r .venv/uv.lock
}

# install COMMAND...: what the lock names, nothing else, and the project itself.
install() {
    "$@" install --require-hashes --no-deps --only-binary :all: -r "requirements/$kind.lock" &&
        "$@" install --no-deps --no-build-isolation --editable .
}

with_uv() {
    "$uv" pip "$@" --quiet --compile-bytecode --python "$venv_python"
}

! is_ready || exit 0
check_system
uv=$(command -v uv) || uv=
find_python
lock_out_others
! is_ready || exit 0
started=$(date +%s)
if is_usable; then
    rm -f "$stamp"
    [ "$was" != dev ] || kind=dev # a development environment stays one
    say "bringing .venv up to date with requirements/$kind.lock"
else
    make_venv
    say "installing the $(grep -c '^[a-z].*==' "requirements/$kind.lock") packages of requirements/$kind.lock (some 200 MB to fetch the first time)"
fi
if [ -n "$uv" ]; then
    install with_uv
else
    # pip knows mirrors and proxies that were configured for it alone, so it has the last word.
    uv=.venv/bin/uv
    export UV_SYSTEM_CERTS=true
    fetch_uv && install with_uv 2>/dev/null || install with_pip
fi || refuse "the packages were not installed for the reason above; check the network and run this again."
key "$kind" >"$stamp"
say "the $kind environment is ready after $(($(date +%s) - started)) s"
