#!/bin/sh
# Puts edge-agent on this host: binary, commented config, state directory and systemd units.
set -eu

usage() {
  cat <<'EOF'
Usage: install.sh [options]

Installs edge-agent: /usr/local/bin/edge-agent, /etc/edge-agent/config.yaml, /var/lib/edge-agent and
/etc/systemd/system/edge-agent.service and edge-agent-restore.service. An existing config is never touched: the new one is put beside
it as config.yaml.new. Running it again upgrades. Nothing is started.

  --prefix DIR    install under DIR instead of /, with all paths in config and units under DIR too
  --binary FILE   install this binary instead of building one out of this checkout
  --uninstall     remove binary and units; config and state stay. Pods are given back to flannel's own CNI
                  config first
  --purge         with --uninstall: remove config and state as well
  --help          this text

Building needs npm; nothing is downloaded but npm packages. Everything else needs a plain sh.
EOF
}

DENO_VERSION=2.9.6

say() { printf '%s\n' "$*"; }
fail() {
  printf 'install.sh: %s\n' "$1" >&2
  exit "${2:-1}"
}

prefix='' binary='' uninstall=no purge=no
while [ $# -gt 0 ]; do
  case $1 in
    --prefix | --binary)
      [ $# -ge 2 ] || fail "$1 needs a value; see --help" 2
      [ -n "$2" ] || fail "$1 is empty; see --help" 2
      if [ "$1" = --prefix ]; then prefix=$2; else binary=$2; fi
      shift
      ;;
    --uninstall) uninstall=yes ;;
    --purge) purge=yes ;;
    --help | -h)
      usage
      exit 0
      ;;
    *) fail "unknown option $1; see --help" 2 ;;
  esac
  shift
done
[ "$purge" = no ] || [ "$uninstall" = yes ] || fail "--purge goes with --uninstall; see --help" 2
[ -z "$binary" ] || [ "$uninstall" = no ] || fail "--binary does not go with --uninstall" 2

checkout=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)

if [ -n "$prefix" ]; then
  case $prefix in
    *[!A-Za-z0-9._/+@-]*) fail "--prefix may hold letters, digits and ._/+@- only: it is $prefix" 2 ;;
  esac
  if [ "$uninstall" = no ]; then
    mkdir -p -- "$prefix" || fail "cannot make $prefix; choose another --prefix"
  fi
  [ -d "$prefix" ] || fail "nothing to uninstall: $prefix is not a directory"
  prefix=$(CDPATH='' cd -- "$prefix" && pwd -P)
  [ "$prefix" != / ] || prefix=''
fi

bin=$prefix/usr/local/bin/edge-agent
etc=$prefix/etc/edge-agent
state=$prefix/var/lib/edge-agent
units=$prefix/etc/systemd/system
unit=$units/edge-agent.service
restore_unit=$units/edge-agent-restore.service
# Where the agent puts its CNI plugin unless configured otherwise; in a prefix it is never put anywhere.
plugin=/opt/cni/bin/edge-agent
config_template=$checkout/dist/config.example.yaml
unit_templates=$checkout/dist/systemd

[ "$(uname -s)" = Linux ] || fail "edge-agent runs on Linux: this is $(uname -s)"
if [ -z "$prefix" ] && [ "$(id -u)" != 0 ]; then
  fail "needs root: run it with sudo, or choose a --prefix that you may write to"
fi

# True when the unit is one that the running systemd would see.
with_systemd() { [ -z "$prefix" ] && [ -d /run/systemd/system ]; }

# Copies standard input to file $1 with mode $2; a reader sees the old or the new file, never a part.
put() {
  if cat >"$1.part" && chmod "$2" "$1.part" && mv -f "$1.part" "$1"; then return; fi
  fail "cannot write $1; check the permissions and the free space of $(dirname "$1")"
}

# Moves the paths in a template under the prefix.
relocate() {
  sed -e "s|/usr/local/bin/edge-agent|$bin|g" -e "s|/etc/edge-agent|$etc|g" \
    -e "s|/var/lib/edge-agent|$state|g" "$1"
}

# systemd's StateDirectory= is always below /var/lib, and it hides /tmp and /home.
relocate_unit() {
  if [ -z "$prefix" ]; then
    cat "$1"
    return
  fi
  relocate "$1" | sed -e "s|^StateDirectory=.*|ReadWritePaths=$state|" -e '/^StateDirectoryMode=/d' \
    -e 's|^PrivateTmp=yes|PrivateTmp=no|' -e 's|^ProtectHome=yes|ProtectHome=no|'
}

is_fresh() {
  [ -x "$1" ] && [ -z "$(find "$checkout/main.ts" "$checkout/src" "$checkout/dist" \
    "$checkout/deno.json" "$checkout/deno.lock" -name build -prune -o \
    -type f ! -name '*_test.ts' ! -name README.md \( -name '*.ts' -o -name 'deno.*' \) \
    -newer "$1" -print | head -n 1)" ]
}

# Sets $binary to a built one. A binary reads and writes only what it was compiled for, so that a
# prefix needs one of its own.
build() {
  if [ -z "$prefix" ]; then
    binary=$checkout/dist/edge-agent
    if is_fresh "$binary"; then
      say "using $binary, which is newer than its sources"
      return
    fi
    set -- --output "$binary"
  else
    binary=$checkout/dist/build/edge-agent-prefix
    set -- --output "$binary" --prefix "$prefix"
  fi
  command -v npx >/dev/null ||
    fail "building needs npm (Node.js 18 or later), and npx is not on PATH; install it or give a --binary"
  say "building $binary"
  (cd "$checkout" && npx -y "deno@$DENO_VERSION" task compile "$@" </dev/null) ||
    fail "the build failed, see above; nothing was installed"
}

install_files() {
  for file in "$config_template" "$unit_templates/edge-agent.service" \
    "$unit_templates/edge-agent-restore.service"; do
    [ -r "$file" ] || fail "cannot read $file; run install.sh in a whole checkout"
  done
  [ -n "$binary" ] || build
  [ -f "$binary" ] || fail "no such binary: $binary"
  mkdir -p -- "$(dirname "$bin")" "$etc" "$units" "$state" ||
    fail "cannot make the directories; check the permissions${prefix:+ of $prefix}"
  chmod 0700 "$state"
  put "$bin.new" 0755 <"$binary"
  if ! "$bin.new" version >/dev/null; then
    rm -f "$bin.new"
    fail "$binary does not run on this host ($(uname -m)); give a --binary that was made for it"
  fi
  # Else the next start would leave the node without its API server.
  if [ -e "$etc/config.yaml" ] && ! "$bin.new" config check --config "$etc/config.yaml" >/dev/null; then
    rm -f "$bin.new"
    fail "this version does not take $etc/config.yaml, see above; nothing was replaced"
  fi
  # Else a power cut could leave the new name without the bytes behind it, and the node without its agent.
  sync
  mv -f "$bin.new" "$bin"
  say "installed $bin"
  install_config
  for file in "$unit" "$restore_unit"; do
    relocate_unit "$unit_templates/$(basename "$file")" | put "$file" 0644
    say "installed $file"
  done
  if with_systemd; then systemctl daemon-reload; fi
}

install_config() {
  if [ ! -e "$etc/config.yaml" ]; then
    relocate "$config_template" | put "$etc/config.yaml" 0600
    say "installed $etc/config.yaml"
  elif relocate "$config_template" | cmp -s - "$etc/config.yaml"; then
    rm -f "$etc/config.yaml.new"
    say "kept $etc/config.yaml, which is the current example"
  else
    relocate "$config_template" | put "$etc/config.yaml.new" 0600
    say "kept $etc/config.yaml; the current example is beside it as config.yaml.new"
  fi
}

next_steps() {
  say ""
  say "Next:"
  say "  1. edit $etc/config.yaml: the cloud's API server, and who may use the agent"
  say "  2. $bin config check --config $etc/config.yaml"
  if [ -n "$prefix" ]; then
    say "  3. $bin run --config $etc/config.yaml (or link $unit into systemd)"
  elif ! with_systemd; then
    say "  3. no systemd runs here: start \"$bin run\" by what supervises this host"
  elif systemctl --quiet is-active edge-agent; then
    say "  3. systemctl restart edge-agent (the old version is still running)"
  else
    say "  3. systemctl enable --now edge-agent"
  fi
  if [ -z "$prefix" ] && with_systemd; then
    say "With a section \"snapshot\" in the config, also: systemctl enable edge-agent-restore"
  fi
}

uninstall_files() {
  if with_systemd && [ -e "$unit" ]; then
    systemctl disable --now edge-agent || fail "cannot stop edge-agent; see systemctl status edge-agent"
  fi
  if with_systemd && [ -e "$restore_unit" ]; then
    systemctl disable edge-agent-restore || fail "cannot disable edge-agent-restore"
  fi
  # Before its binary goes: pods that name its plugin could not be deleted any more.
  if [ -z "$prefix" ] && [ -x "$bin" ] && [ -e "$plugin" ]; then
    "$bin" snapshot leave --config "$etc/config.yaml" ||
      fail "cannot give the pods back to flannel's own CNI config, see above; nothing was removed"
  fi
  for file in "$bin" "$unit" "$restore_unit" "$etc/config.yaml.new"; do
    if [ -e "$file" ]; then
      rm -f -- "$file" || fail "cannot remove $file; check its permissions"
      say "removed $file"
    fi
  done
  if with_systemd; then systemctl daemon-reload; fi
  for directory in "$etc" "$state"; do
    if [ ! -e "$directory" ]; then
      continue
    elif [ "$purge" = yes ]; then
      rm -rf -- "$directory" || fail "cannot remove $directory; check its permissions"
      say "removed $directory"
    else
      say "kept $directory (--purge removes it)"
    fi
  done
}

if [ "$uninstall" = yes ]; then
  uninstall_files
else
  install_files
  next_steps
fi
