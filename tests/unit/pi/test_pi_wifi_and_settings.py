"""Wi-Fi files, settings of the firmware, time zone and language."""

from __future__ import annotations

import os

import pytest

from ansible_collections.bramble.kube.plugins.module_utils.common.errors import Stop
from ansible_collections.bramble.kube.plugins.module_utils.pi import config_txt, network, wifi
from ansible_collections.bramble.kube.plugins.module_utils.pi.steps import settings
from ansible_collections.bramble.kube.plugins.module_utils.pi.steps import wifi as wifi_step


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("arm_64bit=1\n", "arm_64bit=1\ngpu_mem=16\n"),
        ("gpu_mem=64\narm_64bit=1\n", "gpu_mem=16\narm_64bit=1\n"),
        ("gpu_mem=64\n[all]\ngpu_mem=128\n", "gpu_mem=64\n[all]\ngpu_mem=16\n"),
        ("# gpu_mem=64\n", "# gpu_mem=64\ngpu_mem=16\n"),
        ("[cm4]\notg_mode=1\n", "[cm4]\notg_mode=1\n\n[all]\ngpu_mem=16\n"),
        ("[pi4]\ngpu_mem=64\n[all]\n", "[pi4]\ngpu_mem=64\n[all]\ngpu_mem=16\n"),
        ("gpu_mem=16\n", "gpu_mem=16\n"),
        ("", "gpu_mem=16\n"),
    ],
)
def test_firmware_settings_hold_for_every_model(before: str, after: str) -> None:
    assert config_txt.with_settings(before, {"gpu_mem": "16"}) == after
    assert config_txt.with_settings(after, {"gpu_mem": "16"}) == after


def test_the_key_is_that_of_the_standard() -> None:
    # IEEE 802.11-2012, M.4.3, test case 1
    assert wifi.psk("IEEE", "password") == "f42c6fc52df0ebef9ebb4b90b38a5f902e83fe1b135a70e23aed762e9710a12e"
    assert wifi.psk("x", "AB" * 32) == "ab" * 32


@pytest.mark.parametrize(
    ("country", "ssid", "password", "words"),
    [
        ("gb", "", "", "capital letters"),
        ("", "bramble", "long enough", "radio of a Pi stays off"),
        ("GB", "b" * 33, "long enough", "32 bytes"),
        ("GB", "bramble", "short", "8 to 63"),
        ("GB", "bramble", "pässwörter", "8 to 63"),
        ("GB", "", "long enough", "no network"),
    ],
)
def test_wrong_wifi_settings_have_a_sentence_without_the_password(
    country: str, ssid: str, password: str, words: str
) -> None:
    sentence = wifi.problem(country, ssid, password)
    assert words in sentence
    assert not password or password not in sentence


def test_right_wifi_settings_have_none() -> None:
    assert wifi.problem("GB", "bramble", "long enough") is None
    assert wifi.problem("", "", "") is None


@pytest.mark.parametrize(
    ("files", "kind"),
    [
        ({"/etc/NetworkManager/NetworkManager.conf": ""}, "NetworkManager"),
        ({"/etc/netplan/50-cloud-init.yaml": "", "/etc/NetworkManager/NetworkManager.conf": ""}, "netplan"),
        ({"/etc/dhcpcd.conf": ""}, "wpa_supplicant"),
    ],
)
def test_who_manages_the_network(pi, files: dict, kind: str) -> None:
    for path, text in files.items():
        pi.put(path, text)
    assert wifi.manager(pi) == kind


@pytest.mark.parametrize("kind", ["NetworkManager", "netplan", "wpa_supplicant"])
def test_the_key_is_in_a_file_that_only_root_reads(kind: str) -> None:
    files = wifi.files(kind, "GB", 'Bob\'s "net"', "a" * 64, power_save=False)
    (secret,) = [file for file in files if "a" * 64 in file.text]
    assert secret.mode == 0o600
    assert secret.secret
    assert all(not file.secret for file in files if file is not secret)
    awake = [file.text for file in files if "powersave=2" in file.text or "power_save off" in file.text]
    assert len(awake) == 1


@pytest.mark.parametrize("kind", ["netplan", "wpa_supplicant"])
def test_a_radio_that_may_sleep_needs_no_service(kind: str) -> None:
    assert wifi.files(kind, "", "", "", power_save=True) == []


WIFI = {"country": "GB", "ssid": "our home", "password": "a" * 64, "power_save": False, "interface": "wlan0"}
FIXED = network.Wanted("wlan0", "192.168.13.7/24", "192.168.13.1", ("192.168.13.1", "9.9.9.9"))
FIXED_LINES = "address1=192.168.13.7/24,192.168.13.1\ndns=192.168.13.1;9.9.9.9;\nignore-auto-dns=true\nmethod=manual"


@pytest.fixture
def nm(pi, monkeypatch: pytest.MonkeyPatch):
    """A Pi whose NetworkManager is connected to the Wi-Fi, with the fixed address that pi_address has given it."""
    monkeypatch.setattr(wifi_step.place, "differs", lambda file: pi.read(file.path) != file.content.decode())
    monkeypatch.setattr(wifi_step.place, "write", lambda file: pi.put(file.path, file.content))
    pi.put("/etc/NetworkManager/NetworkManager.conf", "")
    pi.programs = {
        "nmcli -g GENERAL.CON-UUID device show wlan0": "11111111-2222-3333-4444-555555555555\n",
        "nmcli -e no -g 802-11-wireless.ssid": "our home\n",
        "nmcli -g ipv4.method": "manual\n192.168.13.7/24\n192.168.13.1\n192.168.13.1,9.9.9.9\nyes\n",
        "ip -json -4 address show dev wlan0": '[{"ifname":"wlan0","address":"dc:a6:32:00:00:01",'
        '"addr_info":[{"local":"192.168.13.7","prefixlen":24}]}]',
    }
    pi.called = []
    monkeypatch.setattr(wifi_step, "command", lambda system, *words: system.called.append(" ".join(words)))
    return pi


def test_a_fixed_address_and_the_wifi_leave_each_other_alone(nm) -> None:
    assert wifi_step.run(nm, WIFI, False)["changed"]
    assert nm.called[-1] == "nmcli connection reload"
    assert f"[ipv4]\n{FIXED_LINES}\n\n[ipv6]\n" in nm.read(wifi.NM_FILE)
    # From the next start on the connection is this one.
    assert not network.plan(nm, FIXED)
    assert wifi_step.run(nm, WIFI, False)["changed"] is False
    # The address has changed: NetworkManager has written the file in its own way.
    nm.programs["nmcli -g ipv4.method"] = "manual\n192.168.13.8/24\n192.168.13.1\n\nno\n"
    nm.put(wifi.NM_FILE, "[connection]\nid=bramble-kube-wifi\n\n[ipv4]\naddress1=192.168.13.8/24,192.168.13.1\n")
    assert wifi_step.run(nm, WIFI, False)["changed"]
    assert "[ipv4]\naddress1=192.168.13.8/24,192.168.13.1\nmethod=manual\n\n[ipv6]" in nm.read(wifi.NM_FILE)
    assert wifi_step.run(nm, WIFI, False)["changed"] is False
    # Its radio is off, or it is elsewhere: the file keeps what it has.
    for name, uuid in (("our home", ""), ("elsewhere", "11111111-2222-3333-4444-555555555555")):
        nm.programs |= {
            "nmcli -g GENERAL.CON-UUID device show wlan0": uuid + "\n",
            "nmcli -e no -g 802-11-wireless.ssid": name + "\n",
        }
        assert wifi_step.run(nm, WIFI, False)["changed"] is False


def test_the_address_in_another_wifi_is_not_one_for_this(nm) -> None:
    nm.programs["nmcli -e no -g 802-11-wireless.ssid"] = "neighbours\n"
    wifi_step.run(nm, WIFI, False)
    assert "[ipv4]\nmethod=auto\n" in nm.read(wifi.NM_FILE)


NM_YAML = """\
network:
  version: 2
  wifis:
    wlan0:
      renderer: NetworkManager
      addresses: ["192.168.13.7/24"]
      access-points:
        "our home":
          auth: {key-management: psk, password: "%s"}
"""


def test_what_network_manager_has_moved_within_netplan_stays_there(nm) -> None:
    ours = "/etc/netplan/90-bramble-kube-wifi.yaml"
    nm.put("/etc/netplan/50-cloud-init.yaml", "network: {}\n")
    assert wifi_step.run(nm, WIFI, False)["files"][-1] == ours
    # pi_address has had it changed.
    os.unlink(nm.path(ours))
    nm.put("/etc/netplan/90-NM-11111111-2222-3333-4444-555555555555.yaml", NM_YAML % WIFI["password"])
    assert wifi_step.run(nm, WIFI, False)["changed"] is False
    assert wifi_step.run(nm, {**WIFI, "password": "b" * 64}, True)["files"] == [ours]
    assert wifi_step.run(nm, {**WIFI, "interface": "wlan1"}, True)["files"][-1] == ours


def test_time_zones(pi) -> None:
    pi.put("/usr/share/zoneinfo/Europe/London", "TZif")
    settings.check_timezone(pi, "Europe/London")
    for wrong in ("Europe/Atlantis", "../../etc/passwd", "Europe", ""):
        with pytest.raises(Stop, match="no time zone"):
            settings.check_timezone(pi, wrong)
    assert settings.current_timezone(pi) == ""
    os.makedirs(pi.path("/etc"), exist_ok=True)
    os.symlink("/usr/share/zoneinfo/Europe/London", pi.path("/etc/localtime"))
    assert settings.current_timezone(pi) == "Europe/London"


def test_languages(pi) -> None:
    pi.programs = {"locale -a": "C\nC.utf8\nen_GB.utf8\nPOSIX\n"}
    assert settings.is_generated(pi, "en_GB.UTF-8")
    assert settings.is_generated(pi, "C.UTF-8")
    assert not settings.is_generated(pi, "de_DE.UTF-8")
    assert settings.with_language("LANG=C\nLC_ALL=x\n", "en_GB.UTF-8") == "LANG=en_GB.UTF-8\nLC_ALL=x\n"
    assert settings.with_language("", "C.UTF-8") == "LANG=C.UTF-8\n"
    assert settings.language_of('#\nLANG="en_GB.UTF-8"\n') == "en_GB.UTF-8"
    assert settings.with_generated("# de_DE.UTF-8 UTF-8\n", "de_DE.UTF-8") == "de_DE.UTF-8 UTF-8\n"
    assert settings.with_generated("de_DE.UTF-8 UTF-8\n", "de_DE.UTF-8") == "de_DE.UTF-8 UTF-8\n"
