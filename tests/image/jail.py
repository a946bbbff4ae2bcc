"""Starts a program as a container would: own read-only root, /proc, numeric user, no environment. Needs root.

Usage: python jail.py ROOT UID PROGRAM [ARGUMENT...]

The mounts live in a mount namespace of the program's own, so they are gone with it.
"""

import ctypes
import os
import pathlib
import stat
import sys

CLONE_NEWNS = 0x00020000
MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 0x1, 0x20, 0x1000, 0x4000, 0x40000  # linux/mount.h

libc = ctypes.CDLL(None, use_errno=True)


def call(result: int, what: str) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


def mount(source: str, target: str, kind: str | None, flags: int) -> None:
    arguments = (source.encode(), target.encode(), kind.encode() if kind else None, flags, None)
    call(libc.mount(*arguments), f"mount {target}")


def main() -> None:
    root, user, *command = sys.argv[1:]
    call(libc.unshare(CLONE_NEWNS), "unshare")
    mount("none", "/", None, MS_REC | MS_PRIVATE)
    mount(root, root, None, MS_BIND)
    mount("proc", f"{root}/proc", "proc", 0)
    mount("none", root, None, MS_BIND | MS_REMOUNT | MS_RDONLY)
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
