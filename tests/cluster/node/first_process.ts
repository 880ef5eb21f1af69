/**
 * What the first process of a machine does, as a shell: it makes the machine's mounts out of those of the
 * test, says its pid, and becomes the machine's init.
 *
 * @module
 */

import { UNITS } from "./systemd.ts";

/**
 * Arguments: disk, host name, `own` or `shared` network, `none` or `systemd`, and the folders that are on the
 * disk. All in namespaces of their own.
 */
export const FIRST_PROCESS = `
  set -e
  disk=$1 host=$2 network=$3 init=$4
  shift 4
  # Puts a tmpfs in the place of a folder, with all that it holds: nothing is made on the test's own disk.
  cover() {
    mkdir /run/covered
    mount --bind "$1" /run/covered
    mount -t tmpfs -o mode="$(stat -c %a "$1")" cover "$1"
    for entry in /run/covered/*; do
      copy=$1/\${entry##*/}
      if [ -L "$entry" ]; then cp -P "$entry" "$copy"
      elif [ -d "$entry" ]; then mkdir "$copy"; mount --rbind "$entry" "$copy"
      elif [ -f "$entry" ]; then touch "$copy"; mount --bind "$entry" "$copy"
      fi
    done
    umount /run/covered
    rmdir /run/covered
  }
  # Read before /proc is that of the new namespace, so it is the pid that the test sees.
  read -r pid _ </proc/self/stat
  mount -t proc proc /proc
  if [ "$network" = own ]; then
    # Its /sys/class/net shows the devices of the namespace in which it is mounted.
    mount --rbind /sys/fs/cgroup /run
    mount -t sysfs sys /sys
    mount --move /run /sys/fs/cgroup
  fi
  mount -t tmpfs run /run
  for folder; do
    if [ ! -d "$folder" ]; then
      cover "\${folder%/*}"
      mkdir "$folder"
    fi
    mount --bind "$disk$folder" "$folder"
  done
  if [ "$init" = systemd ]; then
    # For PrivateTmp=.
    cover /tmp
    cover /var/tmp
  fi
  mount --make-rshared /
  hostname "$host"
  if [ "$init" = systemd ]; then
    # Its control group is the root of all that it sees of them.
    # Version 2, which a machine of version 1 has beside it, as Debian of today boots.
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
    echo "$pid"
    # Nothing of the test's own systemd: no unit but those on the disk, no generator.
    exec env -i container=edge-agent-test SYSTEMD_UNIT_PATH=${UNITS} SYSTEMD_GENERATOR_PATH=/nowhere \\
      PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \\
      /lib/systemd/systemd --system --unit=multi-user.target \\
      --log-target=console --show-status=0 </dev/null >>/var/log/systemd.log 2>&1
  fi
  echo "$pid"
  # Until the test closes the pipe, or is killed: then all that runs on the machine ends.
  exec cat
`;

/** Starts systemd's machine in its control group, and ends it with the test; `unshare …` follows the group. */
export const SYSTEMD_KEEPER = `
  group=$1
  shift
  (
    # Version 2 where it is all there is, or beside version 1.
    for hierarchy in /sys/fs/cgroup /sys/fs/cgroup/unified; do
      if [ -e "$hierarchy/cgroup.controllers" ]; then
        echo 0 >"$hierarchy$group/cgroup.procs" || exit
        exec unshare --cgroup "$@"
      fi
    done
    echo "no control groups of version 2 are mounted" >&2
  ) </dev/null &
  # Whoever reads what the first process says must learn of its end.
  exec >/dev/null
  cat
  kill -KILL $!
`;
