#!/bin/sh
# Makes the secrets of an installation, each in a file of its own, where they are not there yet:
#
#   secrets.sh FOLDER KEY_FOLDER
#
#   FOLDER/drachtio               secret of drachtio's admin port
#   FOLDER/event-socket           password of FreeSWITCH's event socket
#   FOLDER/redis                  password of Redis
#   KEY_FOLDER/api-key            a key for the API, for the first client
#   KEY_FOLDER/api-key-hash       its hash, for the configuration
#   KEY_FOLDER/operator-key       one for operators: call detail records, the board of the queues
#   KEY_FOLDER/operator-key-hash  its hash
#
# To replace one, remove its file, run this again and restart what reads it.
set -eu
folder=$1
key_folder=$2
umask 077
mkdir -p "$folder" "$key_folder"

random() { head -c 24 /dev/urandom | od -An -v -tx1 | tr -d ' \n'; }

# Whole or not at all: an empty file would be an empty password.
keep() { # FILE MODE, content on standard input
  cat > "$1.new"
  chmod "$2" "$1.new"
  mv "$1.new" "$1"
}

for name in drachtio event-socket; do
  [ -s "$folder/$name" ] || random | keep "$folder/$name" 600
done
# Redis runs as another user of the same group.
[ -s "$folder/redis" ] || random | keep "$folder/redis" 640

# As `voice-otp key` makes them.
for name in api-key operator-key; do
  if [ ! -s "$key_folder/$name" ] || [ ! -s "$key_folder/$name-hash" ]; then
    key="vok_$(head -c 32 /dev/urandom | base64 -w 0 | tr '+/' '-_' | tr -d '=')"
    hash=$(printf %s "$key" | sha256sum | cut -c 1-64)
    printf 'sha256:%s\n' "$hash" | keep "$key_folder/$name-hash" 600
    printf '%s\n' "$key" | keep "$key_folder/$name" 600
  fi
done
