#!/bin/bash
# Upstream's contract as far as the front can keep it: users from /etc/clickhouse-server/users.d/*.xml, data in
# /var/lib/clickhouse, the database CLICKHOUSE_DB made at the start. What upstream makes users of is refused.
set -euo pipefail

if [[ -n ${CLICKHOUSE_USER:-}${CLICKHOUSE_PASSWORD:-} ]]; then
    echo 'clickhouse: users come from /etc/clickhouse-server/users.d/*.xml here, not from CLICKHOUSE_USER' >&2
    exit 2
fi
[[ $# -eq 0 || ${1:-} == --* ]] || exec "$@"
exec /opt/clickhouse/bin/python -m services.embedded.clickhouse --host 0.0.0.0 --port 8123 \
    --data /var/lib/clickhouse --users /etc/clickhouse-server/users.d ${CLICKHOUSE_DB:+--database "$CLICKHOUSE_DB"} "$@"
