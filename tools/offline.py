"""Run a command without a network: `python tools/offline.py pytest -q`.

The command gets a network namespace of its own in which only the loopback interface exists, and no proxy settings.
What still works in there needs no network. Exits with the command's status.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
import sys

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 0x1


class CannotBlock(OSError):
    """This machine does not let us make a network namespace."""


def block_network() -> None:
    """Move this process, and all it starts, into an empty network namespace with a working loopback.

    Raises:
        CannotBlock: where the system refuses, as on a kernel without user namespaces, or is not Linux.
    """
    if not sys.platform.startswith("linux"):
        raise CannotBlock(f"network namespaces exist on Linux only, this is {sys.platform}")
    import fcntl  # Windows has none

    libc, user, group = ctypes.CDLL(None, use_errno=True), os.getuid(), os.getgid()
    if libc.unshare(CLONE_NEWNET) != 0:
        if libc.unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0:
            raise CannotBlock(os.strerror(ctypes.get_errno()))
        for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
            with open(f"/proc/self/{name}", "w") as file:
                file.write(text)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as loopback:
        request = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(loopback, SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(loopback, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | IFF_UP))
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        del os.environ[name]


def main() -> None:
    """Block the network and become the command; run it all the same, and say so, where it cannot be blocked."""
    if len(sys.argv) < 2:
        sys.exit("usage: python tools/offline.py COMMAND [ARGUMENT …]")
    try:
        block_network()
        os.environ["HVAE_REF_NETWORK"] = "blocked"
    except CannotBlock as error:
        print(f"offline: the network could not be blocked here ({error}); running with it", file=sys.stderr)
    os.execvp(sys.argv[1], sys.argv[1:])


if __name__ == "__main__":
    main()
