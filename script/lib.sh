# Shared by the scripts: installing what is missing, and building.  Sourced, not run.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

build_packages=(gcc cmake ninja-build pkg-config libc6-dev libwebsockets-dev libwebsockets-evlib-uv libuv1-dev
  libsqlite3-dev libcjson-dev libssl-dev libcap-dev zlib1g-dev libcurl4-openssl-dev uthash-dev libinih-dev)
module_packages=(libpq-dev libhiredis-dev) # PostgreSQL and Redis are built where these are
test_packages=(libcmocka-dev clang-format python3 python3-pytest python3-pytest-xdist python3-pytest-timeout python3-websockets python3-cryptography python3-wsproto python3-jsonschema sqlite3 curl chromium firefox-esr procps
  zsh fish iproute2 ca-certificates openssl strace faketime fiu-utils libfiu-dev nftables util-linux scdoc man-db groff-base)
fuzz_packages=(clang llvm libclang-rt-14-dev)
server_packages=(nginx caddy haproxy apache2 prometheus redis-server postgresql pgbouncer) # which the tests start themselves

say() { printf '\n== %s\n' "$*"; }

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

# Installs the missing packages; quick, and prints nothing, if none is missing.
need_packages() {
  local missing=() package
  for package in "$@"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  say "installing ${missing[*]}"
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# Installs servers without starting them: Debian starts a service when it installs one.
need_servers() {
  local policy=/usr/sbin/policy-rc.d own='' program found=yes
  for program in "$@"; do
    dpkg-query -W -f '${Status}' "$program" 2>/dev/null | grep -q 'ok installed' || found=
  done
  [ -z "$found" ] || return 0
  if [ ! -e $policy ]; then
    own=yes
    printf '#!/bin/sh\nexit 101\n' | as_root tee $policy >/dev/null
    as_root chmod +x $policy
  fi
  need_packages "$@"
  [ -z "$own" ] || as_root rm $policy
}

node_major() { node --version 2>/dev/null | sed 's/^v\([0-9]*\).*/\1/' || true; }

# Node.js 22 or later, whoever installed it; Debian 12 has 18, Debian 13 has 20, and npm has the program as a package.
need_node() {
  local own=$root/build/node
  [ -d "$own/node_modules/.bin" ] && PATH=$own/node_modules/.bin:$PATH
  if [ "$(node_major)" -ge 22 ] 2>/dev/null && command -v npm >/dev/null; then return 0; fi
  command -v node >/dev/null && command -v npm >/dev/null || need_packages nodejs npm
  [ "$(node_major)" -ge 22 ] && return 0
  say 'Node.js 22'
  npm install --prefix "$own" --no-audit --no-fund --loglevel=error node@22
  PATH=$own/node_modules/.bin:$PATH
  [ "$(node_major)" -ge 22 ]
}

# npm ci in a folder, when its lock file changed since the last time.
need_npm() {
  local folder=$1 stamp=$1/node_modules/.installed-$(node_major) # some packages are compiled for one version
  if [ ! -e "$stamp" ] || [ "$folder/package-lock.json" -nt "$stamp" ]; then
    say "npm packages for $folder"
    (cd "$folder" && npm ci --no-audit --no-fund --loglevel=error)
    touch "$stamp"
  fi
}

# esbuild, when it was not installed by the lock file as it is. To install it needs Node.js and npm, of any version.
need_bundler() {
  local folder=$root/script/esbuild
  PATH=$PATH:$root/build/node/node_modules/.bin
  cmp -s "$folder/package-lock.json" "$folder/node_modules/.installed-lock" && return
  (cd "$folder" && npm ci --no-audit --no-fund --loglevel=error && cp package-lock.json node_modules/.installed-lock)
}

# Builds a preset; the output is shown only when it fails.
build() {
  local preset=$1 folder=$2 log
  shift 2
  log=$(mktemp)
  if ! { cmake --preset "$preset" && cmake --build "$folder" "$@"; } >"$log" 2>&1; then
    cat "$log"
    rm -f "$log"
    return 1
  fi
  rm -f "$log"
}
