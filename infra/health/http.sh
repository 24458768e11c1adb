#!/bin/bash
# Exit status 0 if GET PATH on PORT of this container is answered with 200; needs nothing but bash.
port=$1 path=$2
{ exec 3<>"/dev/tcp/127.0.0.1/$port"; } 2>/dev/null || exit 1
printf 'GET %s HTTP/1.0\r\nHost: localhost\r\nConnection: close\r\n\r\n' "$path" >&3
read -r -t 4 _ status _ <&3
[[ $status == 200 ]]
