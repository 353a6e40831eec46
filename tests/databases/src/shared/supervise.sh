# Runs a shared database server and ends it half a minute after its last user has gone.
# Called with: kind, home, directory of the server, and the words of the server's command.
kind=$1 home=$2 directory=$3
shift 3
"$@" >"$directory/log" 2>&1 &
server=$!
idle=0
while kill -0 "$server" 2>/dev/null; do
    sleep 1
    # Whoever looks for a server holds this lock, so nobody comes between our last look and the end.
    exec 9>>"$home/$kind.lock"
    flock --exclusive 9
    # Whoever started it gave up and took its directory away.
    [ -d "$directory" ] || break
    # Every user holds a shared lock.
    if flock --exclusive --nonblock "$directory/users" true; then idle=$((idle + 1)); else idle=0; fi
    if ! grep -qsxF "$directory" "$home/$kind.state"; then
        # It had stopped answering, and another server has taken its place.
        if [ "$idle" -gt 0 ]; then break; fi
    elif [ "$idle" -ge "${REMUDA_TEST_DATABASE_IDLE_SECONDS:-30}" ]; then
        rm -f "$home/$kind.state"
        break
    fi
    exec 9>&-
done
kill -KILL "$server" 2>/dev/null
wait "$server" 2>/dev/null
rm -rf "$directory"
