"""A real apt while another program reads the package lists."""

from __future__ import annotations

import time

import pytest
from conftest import Machine


@pytest.mark.lab
def test_package_lists_that_another_program_reads_are_waited_for(machine: Machine) -> None:
    """apt-get waits for dpkg's locks by itself, and not for that of the lists."""
    machine.run("sh", "-c", "rm -rf /etc/apt/sources.list*; mkdir -p /var/lib/apt/lists/partial")
    program = (
        "import fcntl, time; lists = open('/var/lib/apt/lists/lock', 'w'); fcntl.lockf(lists, fcntl.LOCK_EX);"
        " open('/run/reads', 'w').close(); time.sleep(8)"
    )
    begun = time.monotonic()
    machine.run("sh", "-c", f'python3 -c "{program}" >/dev/null 2>&1 & while [ ! -e /run/reads ]; do sleep 0.1; done')
    (read,) = machine.do({"bramble.kube.pi_upgrades": {"mark": False}})
    assert "msg" not in read, read["msg"]
    assert time.monotonic() - begun > 8
