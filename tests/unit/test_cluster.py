"""Clusters by name."""

import os

import psutil
import pytest

from skymist import cluster
from skymist.errors import RequestError, UnknownNameError


@pytest.mark.parametrize("name", cluster.names())
def test_nothing_listens_beyond_the_loopback_interface(name: str) -> None:
    with cluster.connect(name, 2) as client:
        assert sum(client.nthreads().values()) == 2
        me = psutil.Process(os.getpid())
        listening = {
            socket.laddr.ip
            for process in (me, *me.children(recursive=True))
            for socket in process.net_connections("inet")
            if socket.status == psutil.CONN_LISTEN
        }
        assert listening <= {"127.0.0.1"}


def test_unknown_names_and_numbers_are_refused() -> None:
    with (
        pytest.raises(UnknownNameError, match=r"no cluster is called 'cloud'; there are: local, local-processes"),
        cluster.connect("cloud"),
    ):
        pass
    with pytest.raises(RequestError, match="at least one worker"), cluster.connect("local", 0):
        pass
