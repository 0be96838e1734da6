#!/usr/bin/env bash
# The manual test: create a job, watch it, send updates, see them arrive, end it.
#
#   tests/test-sse.sh [http://127.0.0.1:3001]
#
# Needs bash and curl. Exits with 0 only if all of this was seen: the stream opens and says
# connected; each update is answered at once and arrives on the stream; a client that goes away is
# forgotten; the end of the job ends the stream cleanly; a reconnect afterwards is told 204.
set -u

base=${1:-http://127.0.0.1:3001}
patience=5      # seconds to wait for any one thing
at_once=1.0     # seconds a webhook may take to answer

stream=''       # file descriptor of the stream being read
stream_pid=''
answer='' status='' took=''

step() { printf '\n== %s\n' "$*"; }
seen() { printf '   ok: %s\n' "$*"; }

fail() {
    printf '   FAILED: %s\n' "$*" >&2
    exit 1
}

finish() {
    [[ -n $stream_pid ]] && kill "$stream_pid" 2>/dev/null
    return 0
}
trap finish EXIT

# request METHOD PATH [BODY]: sets answer, status, took
request() {
    local method=$1 path=$2 body=${3-} out
    out=$(curl -sS --max-time "$patience" -X "$method" -w '\n%{http_code} %{time_total}' \
          ${body:+-H 'Content-Type: application/json' -d "$body"} "$base$path") ||
        fail "no answer from $base (is the server running?)"
    answer=${out%$'\n'*}
    read -r status took <<<"${out##*$'\n'}"
}

# field NAME: the value of a string or number in the last answer
field() { sed -nE 's/.*"'"$1"'":"?([^",}]*).*/\1/p' <<<"$answer" | head -n 1; }

# open_stream PATH [HEADER]: starts curl -N and reads it on descriptor $stream
open_stream() {
    exec {stream}< <(exec curl -sSN ${2:+-H "$2"} "$base$1")
    stream_pid=$!
}

# expect TEXT: reads the stream until a line contains TEXT
expect() {
    local line deadline=$((SECONDS + patience))
    while ((SECONDS <= deadline)) && IFS= read -r -t "$patience" line <&"$stream"; do
        [[ -n $line ]] && printf '   < %s\n' "$line"
        [[ $line == *"$1"* ]] && return 0
    done
    fail "waited $patience s for $1 on the stream"
}

# update JSON NOTE: sends one update, checks the answer and sees it arrive
update() {
    printf '   > %s\n' "$1"
    request POST "/api/agent-hooks/task-update/$job" "$1"
    [[ $status == 200 ]] || fail "the webhook answered $status: $answer"
    awk -v took="$took" -v most="$at_once" 'BEGIN { exit !(took < most) }' ||
        fail "the webhook took $took s"
    seen "answered $status in $took s: $answer"
    expect "\"note\":\"$2\""
}

# forgotten: the number of watchers goes back to one
forgotten() {
    local deadline=$((SECONDS + patience))
    while ((SECONDS <= deadline)); do
        request POST "/api/agent-hooks/task-update/$job" '{"taskId":"test","note":"who looks?"}'
        [[ $(field watchers) == 1 ]] && return 0
    done
    fail "still $(field watchers) watchers after one of two had gone"
}

step "Create a job at $base"
request POST /api/jobs '{"title":"test-sse","status":"in_progress"}'
[[ $status == 201 ]] || fail "creating a job answered $status: $answer"
job=$(field id)
epoch=$(field epoch)
seen "job $job"

step "Connect: curl -N $base/api/jobs/$job/task-events"
open_stream "/api/jobs/$job/task-events"
expect '"type":"connected"'
seen 'SSE connection established'

step 'Send updates'
update '{"taskId":"test","status":"in_progress","note":"testing"}' testing
update '{"taskId":"test","status":"in_progress","progress":50,"note":"half way"}' 'half way'
update '{"taskId":"test","status":"completed","note":"finished"}' finished
seen 'every update arrived, every webhook answered at once'

step 'Disconnect a second client'
first=$stream first_pid=$stream_pid
open_stream "/api/jobs/$job/task-events"
expect '"watchers":2'
kill "$stream_pid"
stream=$first stream_pid=$first_pid
forgotten
seen 'the one who left is forgotten, the other stays'

step 'End the job'
request PATCH "/api/jobs/$job" '{"status":"completed"}'
[[ $status == 200 ]] || fail "ending the job answered $status: $answer"
expect '"type":"job_update"'
expect '"type":"end"'
wait "$stream_pid" || fail "curl ended with $?: the stream was not closed cleanly"
stream_pid=''
seen 'clean disconnect'

step 'Come back after the end'
request GET "/api/jobs/$job"
end=$epoch.$(field seq)
answer=$(curl -sS --max-time "$patience" -o /dev/null -w '%{http_code}' \
         -H "Last-Event-ID: $end" "$base/api/jobs/$job/task-events")
[[ $answer == 204 ]] || fail "a position at the end was answered $answer, not 204"
seen '204: an EventSource stops here'

printf '\nAll of it was seen.\n'
