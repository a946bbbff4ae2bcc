"""Starts a program as a container would: own root directory, numeric user, no environment. Needs root.

Usage: python jail.py ROOT UID PROGRAM [ARGUMENT...]
"""

import os
import pathlib
import stat
import sys


def main() -> None:
    root, user, *command = sys.argv[1:]
    os.chroot(root)
    os.chdir("/")
    os.setgroups([])
    os.setgid(int(user))
    os.setuid(int(user))
    os.execve(command[0], command, {})


def provide_devices(root: pathlib.Path) -> None:
    """Make the devices that every container runtime provides."""
    devices = root / "dev"
    devices.chmod(0o755)
    for name, minor in (("null", 3), ("urandom", 9)):
        os.mknod(devices / name, 0o666 | stat.S_IFCHR, os.makedev(1, minor))
        (devices / name).chmod(0o666)
    devices.chmod(0o555)


if __name__ == "__main__":
    main()
