#!/bin/bash
# The environment contract of upstream's mysql image, as far as it is used here: MYSQL_ROOT_PASSWORD, MYSQL_ROOT_HOST,
# MYSQL_ALLOW_EMPTY_PASSWORD, MYSQL_DATABASE, MYSQL_USER, MYSQL_PASSWORD and /docker-entrypoint-initdb.d/*.sh, *.sql,
# *.sql.gz; all of it takes effect only on an empty data folder. Time zone tables are not loaded.
set -euo pipefail

data=/var/lib/mysql
socket=/var/run/mysqld/mysqld.sock
# There while the data folder is being made: one that a stop left half made is thrown away. MySQL overlooks dot files.
unfinished=$data/.unfinished
# The data folder is worth nothing before it is finished, so its making waits for no disk.
hasty=(--skip-log-bin --innodb-doublewrite=OFF --innodb-flush-log-at-trx-commit=0 --innodb-flush-method=nosync)
# Started as root, the server drops to its own user; started as that user, it must not try.
as=()
[[ $(id -u) != 0 ]] || as=(--user=mysql)

note() { printf '[entrypoint] %s\n' "$*" >&2; }

refuse() {
    note "$*"
    exit 1
}

# A text as the inside of a SQL string literal.
escaped() {
    local text=${1//\\/\\\\}
    printf '%s' "${text//\'/\\\'}"
}

# sql OPTION...: what comes in, as root.
sql() {
    MYSQL_PWD=${root_password_set:+${MYSQL_ROOT_PASSWORD:-}} mysql --no-defaults --socket="$socket" --user=root "$@"
}

start_without_network() {
    mysqld "${as[@]}" "$@" "${hasty[@]}" --skip-networking &
    server=$!
    until MYSQL_PWD='' mysqladmin --no-defaults --socket="$socket" --user=root ping >/dev/null 2>&1; do
        kill -0 "$server" 2>/dev/null || refuse 'the server ended while the data folder was made, for the reason above'
        sleep 0.1
    done
}

make_users() {
    local host=${MYSQL_ROOT_HOST-%} password
    password=$(escaped "${MYSQL_ROOT_PASSWORD:-}")
    {
        [[ -z $host || $host == localhost ]] || printf '%s\n' \
            "CREATE USER 'root'@'$(escaped "$host")' IDENTIFIED BY '$password';" \
            "GRANT ALL ON *.* TO 'root'@'$(escaped "$host")' WITH GRANT OPTION;"
        [[ -z ${MYSQL_DATABASE:-} ]] || printf 'CREATE DATABASE IF NOT EXISTS `%s`;\n' "$MYSQL_DATABASE"
        [[ -z ${MYSQL_USER:-} ]] || printf "CREATE USER '%s'@'%%' IDENTIFIED BY '%s';\n" \
            "$(escaped "$MYSQL_USER")" "$(escaped "${MYSQL_PASSWORD:?MYSQL_USER needs MYSQL_PASSWORD}")"
        [[ -z ${MYSQL_USER:-} || -z ${MYSQL_DATABASE:-} ]] || printf "GRANT ALL ON \`%s\`.* TO '%s'@'%%';\n" \
            "${MYSQL_DATABASE//_/\\_}" "$(escaped "$MYSQL_USER")"
        printf '%s\n' "ALTER USER 'root'@'localhost' IDENTIFIED BY '$password';"
    } | sql
    root_password_set=yes
}

run_scripts() {
    local file
    for file in /docker-entrypoint-initdb.d/*; do
        case $file in
            *.sh) note "running $file" && . "$file" ;;
            *.sql) note "running $file" && sql ${MYSQL_DATABASE:+"$MYSQL_DATABASE"} <"$file" ;;
            *.sql.gz) note "running $file" && gunzip -c "$file" | sql ${MYSQL_DATABASE:+"$MYSQL_DATABASE"} ;;
        esac
    done
}

make_data() {
    [[ -n ${MYSQL_ROOT_PASSWORD:-} || -n ${MYSQL_ALLOW_EMPTY_PASSWORD:-} ]] ||
        refuse 'the data folder is empty: set MYSQL_ROOT_PASSWORD (or MYSQL_ALLOW_EMPTY_PASSWORD)'
    [[ ${MYSQL_USER:-} != root ]] || refuse 'MYSQL_USER is for a further user: root is made from MYSQL_ROOT_PASSWORD'
    find "$data" -mindepth 1 -delete
    touch "$unfinished"
    note 'making the data folder'
    tar -xzf /usr/local/share/mysql/data.tar.gz -C "$data" --no-same-permissions
    start_without_network "$@"
    make_users
    run_scripts
    kill -TERM "$server"
    wait "$server" || refuse 'the server did not stop well while the data folder was made'
    sync -f "$data"
    rm "$unfinished"
    note 'the data folder is ready'
}

[[ ${1:-} != -* ]] || set -- mysqld "$@"
[[ ${1:-} == mysqld ]] || exec "$@"
shift
if [[ ! -d $data/mysql || -e $unfinished ]]; then
    root_password_set=
    make_data "$@"
fi
exec mysqld "${as[@]}" "$@"
