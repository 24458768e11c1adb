#!/bin/bash
# PORT PATH [FILE]: exit status 0 if GET PATH on PORT of this container is answered with 200; needs nothing but bash.
# FILE holds a header to send with it, such as a password that must not stand in a process's arguments.
port=$1 path=$2 header=${3:+$(<"$3")}
{ exec 3<>"/dev/tcp/127.0.0.1/$port"; } 2>/dev/null || exit 1
printf 'GET %s HTTP/1.0\r\nHost: localhost\r\nConnection: close\r\n%s\r\n' "$path" "${header:+$header$'\r\n'}" >&3
read -r -t 4 _ status _ <&3
[[ $status == 200 ]]
