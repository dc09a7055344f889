"""Reading and changing the kernel parameters in cmdline.txt."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.bramble.kube.plugins.module_utils.pi import cmdline

STOCK = "console=serial0,115200 console=tty1 root=PARTUUID=7d5a1b2c-02 rootfstype=ext4 fsck.repair=yes rootwait"


def changed(line: str, present: tuple = (), absent: tuple = ()) -> str:
    return " ".join(cmdline.apply(cmdline.tokenize(line), present, absent).tokens)


@pytest.mark.parametrize(
    ("content", "line", "repair"),
    [
        (STOCK.encode() + b"\n", STOCK, None),
        (STOCK.encode(), STOCK, None),
        (STOCK.encode() + b"\n\n", STOCK, None),
        (STOCK.encode() + b"\r\n", STOCK, "Windows line endings"),
        (b"# mine\n" + STOCK.encode() + b"\n", STOCK, "comments"),
        (b"\n" + STOCK.encode() + b"\n", STOCK, "empty line"),
        (b"\xef\xbb\xbf" + STOCK.encode() + b"\n", STOCK, "byte order mark"),
        (STOCK.encode() + b"\0\0\0\n", STOCK, "zero bytes"),
        ("a=1\u00a0b=2 c\u2003d\n".encode(), "a=1 b=2 c d", "spaces that the kernel does not treat as such"),
        (STOCK.encode() + "\u00a0\n".encode(), STOCK, "spaces that the kernel does not treat as such"),
        (STOCK.encode() + b"\ncgroup_enable=memory quiet\n", STOCK + " cgroup_enable=memory quiet", "2 lines"),
        # What the Pi booted with counts where a second line contradicts it.
        (STOCK.encode() + b"\nroot=/dev/sda1 console=tty1 console=tty3\n", STOCK + " console=tty3", "2 lines"),
        (b"a=1 -- single\nquiet\n", "a=1 quiet -- single", "2 lines"),
        (b'a=1 b="c d\n', 'a=1 b="c d"', "never closed"),
        (b'a="b c" d="e f"\n', 'a="b c" d="e f"', None),
    ],
)
def test_one_line_whatever_it_finds(content: bytes, line: str, repair: str | None) -> None:
    parsed = cmdline.parse(content)
    assert parsed.line == line
    if repair is None:
        assert parsed.repairs == ()
    else:
        assert any(repair in entry for entry in parsed.repairs)


@pytest.mark.parametrize(
    ("before", "present", "absent", "after"),
    [
        ("a b=1 c", ("b=2",), (), "a b=2 c"),
        ("a b=1 c b=3 d", ("b=2",), (), "a b=2 c d"),
        ("b=1 x b=2", ("b=2",), (), "b=1 x b=2"),
        ("cgroup_memory=1 a cgroup_memory=1", ("cgroup_memory=1",), (), "a cgroup_memory=1"),
        ("b=1 b=2 b=1", ("b=1",), (), "b=2 b=1"),
        ("console=tty1 console=tty2 console=tty1", ("console=tty1",), (), "console=tty2 console=tty1"),
        ("quiet", ("quiet",), (), "quiet"),
        ("a", ("cgroup_enable=memory",), (), "a cgroup_enable=memory"),
        ("cgroup_enable=cpuset a", ("cgroup_enable=memory",), (), "cgroup_enable=cpuset a cgroup_enable=memory"),
        ("cgroup_disable=memory a cgroup_disable=cpuset", (), ("cgroup_disable=memory",), "a cgroup_disable=cpuset"),
        ("console=tty1 console=serial0,115200", (), ("console=tty1",), "console=serial0,115200"),
        ("quiet splash", (), ("splash",), "quiet"),
        ("swapaccount=1 a", (), ("swapaccount",), "a"),
        ("swapaccount=1 a", (), ("swapaccount=0",), "swapaccount=1 a"),
        # To the kernel, a dash and an underscore in a key are the same.
        ("fsck-repair=no", ("fsck_repair=yes",), (), "fsck_repair=yes"),
        ("a -- init-argument", ("quiet",), ("init-argument",), "a quiet -- init-argument"),
        ('foo="a b" c', (), ("c",), 'foo="a b"'),
        ('foo="a b" c', ('foo="d e"',), (), 'foo="d e" c'),
        # What starts alike is not the same.
        ("rootwait root=/dev/sda", ("root=/dev/sdb",), (), "rootwait root=/dev/sdb"),
        ("video=HDMI-A-1:1920x1080", ("video=HDMI-A-2:d",), (), "video=HDMI-A-1:1920x1080 video=HDMI-A-2:d"),
    ],
)
def test_changes(before: str, present: tuple, absent: tuple, after: str) -> None:
    assert changed(before, present, absent) == after
    assert changed(after, present, absent) == after


@pytest.mark.parametrize(
    ("present", "absent", "words"),
    [
        (["a b"], [], "not one kernel parameter"),
        (["a\nb"], [], "not one kernel parameter"),
        ([""], [], "not one kernel parameter"),
        (["=1"], [], "not one kernel parameter"),
        (["# mine"], [], "not one kernel parameter"),
        ([], ["console"], "say which one"),
        (["quiet"], ["quiet"], "drop one"),
        (["a=1"], ["a"], "drop one"),
        (["a=1", "a=2"], [], "contradict"),
    ],
)
def test_what_cannot_be_meant_is_refused(present: list, absent: list, words: str) -> None:
    with pytest.raises(cmdline.CmdlineError, match=words):
        cmdline.check_wanted(present, absent)


def test_replacing_a_value_may_be_said_from_both_sides() -> None:
    cmdline.check_wanted(["a=1", "console=tty1", "console=tty2"], ["a=2", "console=tty3"])


parameters = st.from_regex(r"[a-z][a-z_.]{0,6}(=[a-z0-9,]{1,4})?", fullmatch=True)


@given(st.lists(parameters, max_size=8), st.lists(parameters, max_size=4), st.lists(parameters, max_size=4))
def test_any_change_is_complete_and_final(tokens: list, present: list, absent: list) -> None:
    try:
        cmdline.check_wanted(present, absent)
    except cmdline.CmdlineError:
        return
    first = cmdline.apply(tokens, present, absent)
    assert cmdline.apply(first.tokens, present, absent).tokens == first.tokens
    assert all(cmdline.is_satisfied(first.tokens, entry) for entry in present)
    assert not [token for token in first.tokens for entry in absent if cmdline._matches_absent(token, entry)]
    named = {cmdline.key_of(entry) for entry in [*present, *absent]}
    assert [t for t in tokens if cmdline.key_of(t) not in named] == [
        t for t in first.tokens if cmdline.key_of(t) not in named
    ]
    assert cmdline.parse(cmdline.render(first.tokens)).tokens == first.tokens


@given(st.binary(max_size=200))
def test_any_bytes_become_one_line(content: bytes) -> None:
    line = cmdline.render(cmdline.parse(content).tokens)
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert b"\r" not in line


@pytest.mark.parametrize(
    ("content", "backup", "cut"),
    [
        (None, b"root=a\n", True),
        (b"", None, True),
        (b"\0\0\0\0", b"root=a\n", True),
        (b"console=tty1", b"console=tty1 root=a\n", True),
        (b"console=tty1 root=a roo", b"console=tty1 root=a rootwait\n", True),
        (b"console=tty1 root=a\n", b"console=tty1 root=a rootwait\n", False),
        (b"console=tty1 root=b quiet\n", b"console=tty1 root=a rootwait\n", False),
        (b"console=tty1 root=a", b"console=tty1 root=a rootwait\n", False),
        (b"console=tty1\n", None, False),
        (b"console=tty1\n", b"quiet\n", False),
        (b'root=/dev/a name="one t', b'root=/dev/a name="one two"\n', True),
        (b'root=/dev/a name="one two" b', b'root=/dev/a name="one two"\n', False),
    ],
)
def test_a_cut_file_is_known(content: bytes | None, backup: bytes | None, cut: bool) -> None:
    assert cmdline.is_cut(cmdline.parse(content or b""), content, backup) is cut


FIRMWARE = "reboot=w coherent_pool=1M cgroup_disable=memory "


class Boots:
    """A Pi that is changed and rebooted, with a firmware that adds parameters of its own."""

    def __init__(self, line: str) -> None:
        self.line, self.boot, self.memory = line, "1", cmdline.Memory()
        self.running = FIRMWARE + line

    def run(self, present: tuple = (), absent: tuple = ()) -> cmdline.Verdict:
        change = cmdline.apply(cmdline.tokenize(self.line), present, absent)
        self.line = " ".join(change.tokens)
        verdict = cmdline.reboot_verdict(cmdline.tokenize(self.running), change, present, self.memory, self.boot)
        self.memory = verdict.memory
        return verdict

    def reboot(self, effective: bool = True) -> None:
        self.boot += "1"
        if effective:
            self.running = FIRMWARE + self.line


def test_a_new_parameter_needs_one_reboot() -> None:
    pi = Boots("root=a")
    assert pi.run(("cgroup_enable=memory",)).reboot_required
    assert pi.run(("cgroup_enable=memory",)).reboot_required
    pi.reboot()
    assert not pi.run(("cgroup_enable=memory",)).reboot_required


def test_parameters_that_the_kernel_saw_as_one_word_need_one_reboot() -> None:
    pi = Boots("a=1 b=2")
    pi.running = FIRMWARE + "a=1\u00a0b=2"
    assert pi.run(present=("a=1", "b=2")).bring == ("a=1", "b=2")
    pi.reboot()
    assert not pi.run(present=("a=1", "b=2")).reboot_required


def test_a_parameter_that_stood_there_twice_needs_no_reboot() -> None:
    pi = Boots("b=2 b=2")
    assert not pi.run(present=("b=2",)).reboot_required
    assert pi.line == "b=2"


def test_a_removed_parameter_needs_one_reboot() -> None:
    pi = Boots("root=a splash")
    assert pi.run((), ("splash",)).end == ("splash",)
    assert pi.run().reboot_required
    pi.reboot()
    assert not pi.run((), ("splash",)).reboot_required


def test_what_the_firmware_adds_does_not_count() -> None:
    pi = Boots("root=a cgroup_disable=memory")
    assert pi.run((), ("cgroup_disable=memory",)).reboot_required
    pi.reboot()
    assert "cgroup_disable=memory" in pi.running
    assert not pi.run((), ("cgroup_disable=memory",)).reboot_required


def test_a_replaced_value_needs_one_reboot() -> None:
    pi = Boots("root=a fsck.repair=no")
    assert pi.run(("fsck.repair=yes",)).reboot_required
    pi.reboot()
    assert not pi.run(("fsck.repair=yes",)).reboot_required


def test_a_parameter_that_was_put_back_needs_no_reboot() -> None:
    pi = Boots("root=a splash")
    assert pi.run((), ("splash",)).reboot_required
    assert not pi.run(("splash",)).reboot_required


def test_what_a_reboot_does_not_bring_is_said_and_asks_for_no_other() -> None:
    pi = Boots("root=a")
    assert pi.run(("quiet",)).reboot_required
    pi.reboot(effective=False)
    for _run in range(2):
        verdict = pi.run(("quiet",))
        assert not verdict.reboot_required
        assert verdict.ineffective == ("quiet",)
    pi.reboot()
    assert not pi.run(("quiet",)).ineffective


def test_the_last_value_counts() -> None:
    assert cmdline.is_satisfied(["a=1", "a=2"], "a=2")
    assert not cmdline.is_satisfied(["a=1", "a=2"], "a=1")
    assert cmdline.is_satisfied(["console=tty1", "console=tty2"], "console=tty1")
    assert not cmdline.is_satisfied(["--", "quiet"], "quiet")


def test_what_is_added_after_a_double_quote_that_nothing_closes_reaches_the_kernel() -> None:
    parsed = cmdline.parse(b'root=/dev/a name="one two\n')
    after = cmdline.render(cmdline.apply(parsed.tokens, ("quiet",), ()).tokens)
    assert cmdline.tokenize(after.decode().strip()) == ["root=/dev/a", 'name="one two"', "quiet"]
    assert cmdline.parse(after).repairs == ()
