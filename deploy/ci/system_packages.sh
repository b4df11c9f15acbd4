#!/bin/sh
# Brings the programs that tests start. At home a missing one is named and its tests fall back or are skipped; in CI it is an error.
set -eu

programs="redis-server:redis-server ip:iproute2 unshare:util-linux"   # program:Debian package

missing() {
    for pair in $programs; do
        command -v "${pair%%:*}" >/dev/null 2>&1 || printf '%s ' "${pair##*:}"
    done
}

wanted=$(missing)
[ -n "$wanted" ] || exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "installing: $wanted" >&2
    export DEBIAN_FRONTEND=noninteractive
    # shellcheck disable=SC2086
    (apt-get update -qq && apt-get install -qq -y --no-install-recommends $wanted) >/dev/null || true
fi

wanted=$(missing)
[ -n "$wanted" ] || exit 0
echo "MISSING: $wanted(install them with your package manager; tests that need them are skipped)" >&2
[ "${CI:-}" != true ] || exit 1
