#!/bin/bash
# Exit status 0 if the Kafka listener HOST PORT answers an ApiVersions request. Milliseconds, where a Java tool takes seconds.
#
# Kafka protocol guide: the request is its size (12), API key 18, version 0, correlation id 42 and
# client id "hc"; the answer begins with its size, the same correlation id and error code 0.
host=${1:-127.0.0.1} port=${2:-29092}
{ exec 3<>"/dev/tcp/$host/$port"; } 2>/dev/null || exit 1
printf '\x00\x00\x00\x0c\x00\x12\x00\x00\x00\x00\x00\x2a\x00\x02hc' >&3
LC_ALL=C answer=
for _ in {1..10}; do  # byte by byte, for a variable cannot hold a 0: it ends the read, and what is read is empty
    IFS= read -r -d '' -n 1 -t 2 byte <&3 || exit 1
    printf -v code %d "'$byte"
    answer+=" $code"
done
[[ $answer == *" 0 0 0 42 0 0" ]]
