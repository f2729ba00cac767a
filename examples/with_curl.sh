#!/bin/sh
# Submit, wait, pull and acknowledge with nothing but curl: `with_curl.sh [FILE]`.
set -eu
url="${WORKMILL_URL:-http://127.0.0.1:5000}"
file="${1:-$0}"

call() { # the path and what else curl is to be told; an error ends the script with its reason
    path="$1"
    shift
    curl --fail-with-body --silent --show-error "$@" "$url$path"
}
text_of() { # the text of one member of a JSON object on standard input
    sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p"
}

# An id of your own: a submit whose answer was lost is simply sent again.
id=$(cat /proc/sys/kernel/random/uuid)
call "/v1/jobs/$id?iterations=1000" --retry 5 --upload-file "$file" >/dev/null

# As soon as the job has ended, or after 30 s.
echo "value $(call "/v1/jobs/$id?wait=30" | text_of value)"

# Whatever has finished, latest first. What is not acknowledged comes back after 60 s.
pulled=$(call "/v1/results/pull?top=100&receipt_seconds=60" --request POST)
receipt=$(echo "$pulled" | text_of receipt)
if [ -n "$receipt" ]; then
    call /v1/results/ack --data "{\"receipt\":\"$receipt\"}"
    echo
fi
