"""Processes: a name that no other has or had, and whether one is still there."""

import os
import socket

import psutil


def own_name() -> str:
    """Return the name of this process: machine, number and when it began."""
    process = psutil.Process(os.getpid())
    return f"{socket.gethostname()}:{process.pid}:{process.create_time():.2f}"


def alive(name: str) -> bool:
    """Return whether a process may still be there; of another machine's nothing is known from here."""
    host, pid, started = (*name.rsplit(":", 2), "", "")[:3]
    if host != socket.gethostname():
        return True
    try:
        return f"{psutil.Process(int(pid)).create_time():.2f}" == started
    except (psutil.Error, ValueError):
        return False
