"""/proc as hostile programs may make it look."""

from __future__ import annotations

import os

from podrun.linux import mountinfo, procfs
from podrun.linux.procfs import Process

STATUS = "Name:\tx\rUid:\t0\x0cPPid:\t1\n"
STATUS += "State:\tS (sleeping)\nPPid:\t7\nNSpid:\t20\t3\nPid:\t20\nUid:\t9\t9\t9\t9\nThreads:\t2\n"


def test_only_a_line_feed_ends_a_line_of_a_status() -> None:
    read = procfs.parse_status(STATUS)
    assert (read.parent, read.pids, read.uid, read.threads, read.memory) == (7, (20, 3), 9, 2, 0)
    assert read.name == "x\rUid:\t0\x0cPPid:\t1"


def test_only_a_line_feed_ends_a_line_of_mountinfo() -> None:
    rows = list(mountinfo.parse("5 4 0:1 /r\\040x /a\u2028b\rc\\012d ro,nosuid shared:3 - overlay  lowerdir=0:1\n"))
    assert [(row.mount_point, row.root, row.readonly) for row in rows] == [("/a\u2028b\rc\nd", "/r x", True)]
    assert [(row.fstype, row.optional, row.options) for row in rows] == [("overlay", ("shared:3",), "lowerdir=0:1")]


def test_a_process_is_read_by_its_directory() -> None:
    with Process(os.getpid()) as own:
        assert own.status().pids[0] == os.getpid()
        assert own.namespaces()["net"] == os.stat("/proc/self/ns/net").st_ino
        assert own.argv(1 << 16)
        assert len(own.read("cmdline", 3)) == 3
        assert own.started() > 0
