"""Who switches swap on, as systemd and the scripts that it runs tell."""

from __future__ import annotations

import os

import pytest

from ansible_collections.bramble.kube.plugins.module_utils.common.errors import Stop
from ansible_collections.bramble.kube.plugins.module_utils.pi import swap
from ansible_collections.bramble.kube.plugins.module_utils.pi.steps import swap as swap_step

ON = "Filename\tType\tSize\tUsed\tPriority\n/dev/zram0 partition 1024 0 5\n"


def shown(name: str, command: str = "", state: str = "enabled", file: str = "", **more: str) -> str:
    """A unit as `systemctl show` prints it."""
    lines = [f"Id={name}", f"UnitFileState={state}", f"FragmentPath={file or '/etc/systemd/system/' + name}"]
    if command:
        path = command.split()[0]
        lines.append(f"ExecStart={{ path={path} ; argv[]={command} ; ignore_errors=no ; start_time=[n/a] ; pid=0 }}")
    return "\n".join([*lines, *(f"{key}={value}" for key, value in more.items())]) + "\n"


def machine(played, *units: str) -> None:
    """A machine whose systemd has these units, enabled."""
    names = [unit.splitlines()[0].removeprefix("Id=") for unit in units]
    played.says("systemctl show -p Id,UnitFileState,FragmentPath", "\n".join(units))
    played.says(
        "systemctl list-unit-files", "".join(f"{name} enabled enabled\n" for name in [*names, "getty@.service"])
    )
    played.put("/usr/bin/init-zram-swapping", "#!/bin/sh\nmodprobe zram\nmkswap /dev/zram0\nswapon -p 5 /dev/zram0\n")
    played.put("/usr/local/bin/swapfile.sh", "#!/bin/sh\n# not zram\n  /sbin/swapon /swapfile\n")
    played.put(
        "/usr/bin/quiet", "#!/bin/sh\n# swapon is not for us\necho 'run swapon yourself'\nswapon --show\nswapoff -a\n"
    )
    played.put("/usr/bin/dockerd", b"\x7fELF\0swapon /dev/sda\n")


ZRAM_CONFIG = shown(
    "zram-config.service", "/usr/bin/init-zram-swapping", file="/lib/systemd/system/zram-config.service"
)
FILE = shown("my-swap.service", "/bin/sh /usr/local/bin/swapfile.sh")
DIRECT = shown("direct.service", "/sbin/swapon /dev/sda2")
SWAP_UNIT = shown("var-swap.swap", What="/var/swap")


@pytest.mark.parametrize(
    ("unit", "verb"),
    [
        (ZRAM_CONFIG, "disable"),
        (FILE, "disable"),
        (DIRECT, "disable"),
        (shown("inline.service", "/bin/sh -c mkswap /x && swapon /x"), "disable"),
        (shown("zram.service", "/etc/init.d/zram start", "generated", "/run/systemd/generator.late/zram.service"), ""),
        (SWAP_UNIT, "disable"),
        (shown("docker.service", "/usr/bin/dockerd -H fd://"), ""),
        (shown("quiet.service", "/usr/bin/quiet"), ""),
        (shown("gone.service", "/opt/gone"), ""),
        # What a generator makes follows the generator's configuration.
        (shown("x.service", "/sbin/swapon /x", "generated", "/run/systemd/generator/x.service"), ""),
        (shown("swapfile.swap", "", "generated", "/run/systemd/generator/swapfile.swap", What="/swapfile"), ""),
        (
            shown("dev-sda3.swap", "", "generated", "/run/systemd/generator.late/dev-sda3.swap", What="/dev/sda3"),
            "mask",
        ),
        (shown("timed.service", "/sbin/swapon /x", "static"), "mask"),
    ],
)
def test_units_that_switch_swap_on(played, unit: str, verb: str) -> None:
    machine(played, unit)
    name = unit.splitlines()[0].removeprefix("Id=")
    assert swap_step.switches(played, "off") == ([swap.Switch(name, verb)] if verb else [])


def test_a_script_of_sysv_is_a_unit_too(played) -> None:
    late = "/run/systemd/generator.late/zram.service"
    machine(played, shown("zram.service", "/etc/init.d/zram start", "generated", late, SourcePath="/etc/init.d/zram"))
    played.put("/etc/init.d/zram", "#!/bin/sh\ncase $1 in\nstart)\n  swapon /dev/zram0;;\nesac\n")
    assert swap_step.switches(played, "off") == [swap.Switch("zram.service", "disable")]


def test_compressed_memory_may_stay(played) -> None:
    machine(played, ZRAM_CONFIG, FILE, SWAP_UNIT, shown("dev-zram1.swap", What="/dev/zram1"))
    assert [one.name for one in swap_step.switches(played, "zram")] == ["my-swap.service", "var-swap.swap"]


@pytest.mark.parametrize(
    "line",
    [
        "swapon -p 5 /x",
        "exec /sbin/swapon /x",
        "if swapon /x; then",
        'subprocess.run(["swapon", device])',
        "x && swapon $1",
    ],
)
def test_commands_that_switch_swap_on(line: str) -> None:
    assert swap.switches_on(f"#!/bin/sh\n{line}\n")


@pytest.mark.parametrize(
    "line",
    [
        "swapon -s",
        'run(["swapon", "--show"])',
        "my-swapon.sh",
        "# swapon /x",
        "swapoff -a && swapon -a",
        "swapon --all",
    ],
)
def test_commands_that_do_not(line: str) -> None:
    assert not swap.switches_on(f"#!/bin/sh\n{line}\n")


def test_they_are_disabled_before_swap_is_switched_off_and_said(played) -> None:
    machine(played, ZRAM_CONFIG, SWAP_UNIT)
    played.put("/proc/swaps", ON)
    checked = swap_step.run(played, {"state": "off"}, True)
    assert not any("disable" in line or "swapoff" in line for line in played.asked)
    done = swap_step.run(played, {"state": "off"}, False)
    assert done == checked and done["changed"] and done["warned"] == []
    assert done["services"] == ["zram-config.service", "var-swap.swap"]
    acts = [line for line in played.asked if "disable" in line or "swapoff" in line]
    assert acts == [
        "systemctl disable --now zram-config.service",
        "systemctl disable var-swap.swap",
        "swapoff /dev/zram0",
    ]
    played.says("systemctl list-unit-files", "")
    played.put("/proc/swaps", ON.splitlines(keepends=True)[0])
    assert swap_step.run(played, {"state": "off"}, False)["changed"] is False


def test_swap_that_nobody_seems_to_switch_on_is_said(played) -> None:
    played.put("/proc/swaps", ON)
    (warning,) = swap_step.run(played, {"state": "off"}, False)["warned"]
    assert warning.startswith("Swap on /dev/zram0 was on, but nothing was found that switches it on at boot")


def test_rc_local_is_its_owners(played) -> None:
    machine(played, shown("rc-local.service", "/etc/rc.local start", "enabled-runtime"))
    played.put("/etc/rc.local", "#!/bin/sh\nswapon /swapfile\nexit 0\n")
    with pytest.raises(Stop, match=r"/etc/rc\.local switches swap on at each boot"):
        swap_step.run(played, {"state": "off"}, True)
    played.put("/etc/rc.local", "#!/bin/sh\nexit 0\n")
    assert swap_step.run(played, {"state": "off"}, True)["changed"] is False


def test_swap_that_a_timer_switches_on(played) -> None:
    """A service without [Install] is started by its timer alone, which is what goes."""
    service = shown("nightly.service", "/usr/local/bin/swapfile.sh", "static", TriggeredBy="nightly.timer")
    both = shown("both.service", "/sbin/swapon /x", TriggeredBy="both.path")
    units = [service, shown("nightly.timer"), both, shown("both.path", state="static")]
    machine(played, *units)
    played.says("systemctl list-unit-files", "nightly.timer enabled enabled\nboth.service enabled enabled\n")
    played.says("systemctl list-units", "both.path loaded active waiting x\n")
    played.says("systemctl show -p Triggers --value -- both.path nightly.timer", "both.service\n\nnightly.service\n")
    assert swap_step.switches(played, "off") == [
        swap.Switch("nightly.timer", "disable"),
        swap.Switch("both.path", "mask"),
        swap.Switch("both.service", "disable"),
    ]
    assert any(line.endswith("-- both.path both.service nightly.service nightly.timer") for line in played.asked)


@pytest.mark.parametrize(
    ("file", "text", "place"),
    [
        ("/etc/crontab", "# m h\n@reboot root swapon /swapfile\n", "/etc/crontab, line 2"),
        ("/etc/cron.d/own-swap", "@reboot root /usr/local/bin/swapfile.sh\n", "/etc/cron.d/own-swap, line 1"),
        ("/etc/cron.daily/swap", "#!/bin/sh\nswapon /swapfile\n", "/etc/cron.daily/swap, line 2"),
        (
            "/var/spool/cron/crontabs/pat.smith",
            "\n@reboot sudo swapon /x\n",
            r"/var/spool/cron/crontabs/pat\.smith, line 2 \(sudo crontab -u pat\.smith -e\)",
        ),
    ],
)
def test_a_crontab_is_its_owners(played, file: str, text: str, place: str) -> None:
    machine(played)
    played.put(file, text)
    for check_mode in (True, False):
        with pytest.raises(Stop, match=rf"^cron switches swap on: take swapon out .* again: {place}\.$"):
            swap_step.run(played, {"state": "off"}, check_mode)
    assert played.at(file).read_text(encoding="utf-8") == text
    assert not any("disable" in line or "swapoff" in line for line in played.asked)


def test_cron_may_do_all_else(played) -> None:
    machine(played)
    played.put("/etc/crontab", "# swapon /x\n#/usr/local/bin/swapfile.sh\n5 4 * * * root swapoff -a && swapon -a\n")
    played.put("/etc/cron.d/swap.dpkg-old", "@reboot root swapon /x\n")
    os.mkfifo(played.put("/run/pipe").with_name("waits"))
    played.put("/etc/cron.d/other", "@reboot root cat /run/waits /usr/bin/dockerd /gone\n")
    assert swap_step.run(played, {"state": "off"}, True)["changed"] is False
    played.put("/etc/cron.d/zram", "@reboot root /usr/bin/init-zram-swapping\n")
    assert swap_step.run(played, {"state": "zram"}, True)["changed"] is False
    with pytest.raises(Stop, match=r"/etc/cron\.d/zram, line 1"):
        swap_step.run(played, {"state": "off"}, True)
