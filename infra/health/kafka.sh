#!/bin/bash
# Exit status 0 if the Kafka listener HOST PORT answers an ApiVersions request. Milliseconds, where a Java tool takes seconds.
#
# Kafka protocol guide: the request is its size (12), API key 18, version 0, correlation id 42 and
# client id "hc"; the answer begins with its size, the same correlation id and error code 0.
host=${1:-127.0.0.1} port=${2:-29092}
{ exec 3<>"/dev/tcp/$host/$port"; } 2>/dev/null || exit 1
printf '\x00\x00\x00\x0c\x00\x12\x00\x00\x00\x00\x00\x2a\x00\x02hc' >&3
answer=$(timeout 2 head -c 10 <&3 | od -An -tx1 | tr -d ' \n')
[[ ${answer:8:8} == 0000002a && ${answer:16:4} == 0000 ]]
