#!/bin/sh
# Starts the app as a node with a name of its own:
#
#   node.sh FOLDER SECRETS COMMAND...
#
#   FOLDER   outlives containers, and all nodes of this machine share it
#   SECRETS  what secrets.sh made
#
# The name is the first of app-1, app-2, ... that nobody has. Each belongs to whoever holds the lock of its file in
# FOLDER/nodes, which the system drops with the process, however that ends. So a container that takes the place of
# another gets its name, and with it what waits in its spool, its unfinished file of records and its leftover prompts.
#
# Where FOLDER/cluster is there, nodes share Redis. Otherwise there is one, with SQLite.
set -eu
folder=$1
secrets=$2
shift 2
umask 077
mkdir -p "$folder/nodes"

names=1
if [ -e "$folder/cluster" ]; then
  names=64
  export VOICE_OTP_STORE_KIND=redis
  export VOICE_OTP_STORE_REDIS_URL=redis://redis:6379
  export VOICE_OTP_STORE_REDIS_PASSWORD_FILE="$secrets/redis"
  export VOICE_OTP_CDR_SINK_FOLDER="$folder/cdrs"
fi

number=1
while [ "$number" -le "$names" ]; do
  exec 9>> "$folder/nodes/app-$number.lock"
  if flock -n 9; then
    export VOICE_OTP_CLUSTER_NODE="app-$number"
    exec "$@"
  fi
  number=$((number + 1))
done

if [ "$names" = 1 ]; then
  echo 'another node has the store: several need the profile "cluster" (deploy/README.md)' >&2
else
  echo "all $names names of nodes are taken" >&2
fi
exit 1
