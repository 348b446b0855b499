"""Python starts this by itself where its folder is on PYTHONPATH: every way out of this machine is noted and refused.

An audit hook sees calls from C code too, and cannot be taken off. What is refused is written to the file that
SRLAB_CONNECTIONS names, so that code which survives the refusal is found out all the same.
"""

import ipaddress
import os
import sys
from pathlib import Path
from typing import Any

HOST_OF = {
    "socket.connect": lambda socket, address: address,
    "socket.sendto": lambda socket, address: address,
    "socket.getaddrinfo": lambda host, *_: (host,),
    "socket.gethostbyname": lambda host: (host,),
    "socket.gethostbyaddr": lambda host: (host,),
}


def refuse(event: str, arguments: tuple[Any, ...]) -> None:
    """Raise ConnectionRefusedError where a socket is about to leave this machine, or a name of another is looked up."""
    if event not in HOST_OF:
        return
    address = HOST_OF[event](*arguments)
    if isinstance(address, tuple) and not is_here(address[0]):  # an address that is no tuple is a UNIX socket's path
        with Path(os.environ["SRLAB_CONNECTIONS"]).open("a") as file:
            file.write(f"{event} {address[0]!r} by {sys.argv}\n")
        raise ConnectionRefusedError(f"{event} {address[0]!r}: tests open no connection")


def is_here(host: Any) -> bool:
    """Whether `host` (str, bytes or None) is this machine: the loopback device, or the address of a server's own."""
    name = host.decode() if isinstance(host, bytes) else host
    if name in (None, "", "localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback or ipaddress.ip_address(name).is_unspecified
    except ValueError:
        return False


if "SRLAB_CONNECTIONS" in os.environ:
    sys.addaudithook(refuse)
