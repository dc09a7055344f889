# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a card gets, and which folders are taken for one; cloud-init judges the files in tests/integration/cards."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.bramble.kube.plugins.module_utils.pi import cards

PUBLIC = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPZGh2oxObTG3aeL3VNmIo9IIGupQr88+YRCzegzjhn1"
CARD = cards.Card("k8s-node1", "pi", (f"{PUBLIC} me@laptop",), ("PRIVATE", f"{PUBLIC} k8s-node1"))
FIXED = replace(CARD, address="192.168.13.8/24", gateway="192.168.13.1", nameservers=("192.168.13.1",))
WIFI = replace(CARD, wifi_country="GB", wifi_ssid="home", wifi_password="in the clear")


def test_a_good_card() -> None:
    for card in (CARD, FIXED, WIFI, replace(FIXED, interface="end0"), replace(CARD, user="_me-2")):
        assert cards.problem(card) is None


@pytest.mark.parametrize(
    ("card", "sentence"),
    [
        (replace(CARD, user="root"), "user: 'root' cannot be the user of a Pi"),
        (replace(CARD, user="Me"), "user: 'Me' cannot be"),
        (replace(CARD, user="a b"), "user: 'a b' cannot be"),
        (replace(CARD, public_keys=()), "public_key: the file has no public key"),
        (replace(CARD, public_keys=("-----BEGIN OPENSSH PRIVATE KEY-----",)), "public_key: the file has a line"),
        (replace(WIFI, wifi_country=""), "wifi_country: without it the radio"),
        (replace(WIFI, wifi_password="short"), "wifi_password: must have 8 to 63"),
        (replace(FIXED, gateway=""), "gateway: a card with a fixed address needs the router's"),
        (replace(FIXED, nameservers=()), "nameservers: a card with a fixed address needs one"),
        (replace(FIXED, address="192.168.13.8"), "address: '192.168.13.8' does not include the network's length"),
        (replace(FIXED, interface="wlan0"), "interface: wlan0 is a radio, but wifi_ssid names no network"),
    ],
)
def test_what_is_wrong_with_a_card(card: cards.Card, sentence: str) -> None:
    assert (cards.problem(card) or "").startswith(sentence)


def test_where_the_fixed_address_goes() -> None:
    def found(card: cards.Card) -> list[str]:
        network = cards.network_config(card)["network"]
        interfaces = {**network["ethernets"], **network.get("wifis", {})}
        assert all(entry["dhcp4"] is not ("addresses" in entry) for entry in interfaces.values())
        return [name for name, entry in interfaces.items() if "addresses" in entry]

    both = replace(FIXED, wifi_country="GB", wifi_ssid="home", wifi_password="in the clear")
    assert (found(CARD), found(FIXED), found(both)) == ([], ["eth0"], ["wlan0"])
    assert found(replace(both, interface="eth0")) == ["eth0"]
    assert found(replace(FIXED, interface="end0")) == ["end0"]


def test_a_language_is_generated_where_debian_looks_for_it() -> None:
    assert "write_files" not in cards.user_data(CARD)
    [file] = cards.user_data(replace(CARD, locale="nb_NO.UTF-8"))["write_files"]
    assert file == {"path": "/etc/locale.gen", "content": "nb_NO.UTF-8 UTF-8\n", "append": True}


def test_no_secret_is_shown_and_no_wifi_password_written() -> None:
    card = replace(WIFI, password_hash="$6$hash")
    written = str(cards.network_config(card)) + str(cards.user_data(card))
    assert "PRIVATE" in written and "$6$hash" in written and "in the clear" not in written
    shown = str(cards.masked(cards.network_config(card))) + str(cards.masked(cards.user_data(card)))
    key = cards.network_config(card)["network"]["wifis"]["wlan0"]["access-points"]["home"]["password"]
    assert len(key) == 64 and key in written
    assert not [secret for secret in ("PRIVATE", "$6$hash", key) if secret in shown]
    assert PUBLIC in shown


def test_other_files_make_a_new_instance_and_the_same_do_not() -> None:
    first = cards.meta_data(CARD, ["a", "b"])
    assert first == cards.meta_data(CARD, ["a", "b"])
    assert first["instance-id"] != cards.meta_data(CARD, ["a", "c"])["instance-id"]
    assert first["instance-id"] != cards.meta_data(CARD, ["ab", ""])["instance-id"]


NAMES = ("config.txt", "cmdline.txt", "bcm2712-rpi-5-b.dtb", "user-data", "network-config", "meta-data", "kernel8.img")
LINUX = (
    "/dev/sda2 / ext4 rw 0 0\n"
    "/dev/sdb1 /media/me/bootfs vfat rw,uid=1000 0 0\n"
    "/dev/sdc1 /media/me/my\\040disk ext4 rw 0 0\n"
)
APPLE = "/dev/disk1s1 on / (apfs, local, journaled)\n/dev/disk4s1 on /Volumes/my boot (msdos, local, nodev, nosuid)\n"


def test_a_card_is_a_card() -> None:
    assert cards.boot_problem("/media/me/bootfs", NAMES, cards.mounts(LINUX)) is None
    assert cards.boot_problem("/Volumes/my boot", NAMES, cards.mounts(APPLE)) is None


@pytest.mark.parametrize(
    ("folder", "names", "sentence"),
    [
        ("/media/me/gone", None, "there is no folder /media/me/gone"),
        ("/boot/firmware", NAMES, "/boot/firmware belongs to this computer itself"),
        ("/media/me", NAMES, "nothing is mounted at /media/me;"),
        ("/media/me/my disk", NAMES, "/media/me/my disk has the file system ext4"),
        ("/media/me/bootfs", (), "has no config.txt, as a Pi's"),
        ("/media/me/bootfs", NAMES[1:], "has no config.txt, as a Pi's"),
        ("/media/me/bootfs", (NAMES[0], *NAMES[2:]), "has no cmdline.txt, as a Pi's"),
        ("/media/me/bootfs", (*NAMES[:2], "overlay.dtb", *NAMES[3:]), "has no bcm2711-rpi-4-b.dtb, as a Pi's"),
        ("/media/me/bootfs", NAMES[:3], "its system has no cloud-init; write the card with Raspberry Pi OS"),
    ],
)
def test_other_folders_are_not(folder: str, names: tuple[str, ...] | None, sentence: str) -> None:
    assert sentence in (cards.boot_problem(folder, names, cards.mounts(LINUX)) or "")


BOOKWORM = (*NAMES[:3], "initramfs8", "kernel8.img")


def test_the_card_has_the_release_that_is_wanted() -> None:
    def said(names: tuple[str, ...], release: str) -> str | None:
        return cards.boot_problem("/media/me/bootfs", names, cards.mounts(LINUX), release)

    assert said(BOOKWORM, "bookworm") is None
    assert "or set cards_release to bookworm" in (said(BOOKWORM, "trixie") or "")
    assert "its system is newer than bookworm; unset cards_release" in (said((*NAMES, "initramfs8"), "bookworm") or "")
    assert "has no initramfs8, so its system is not bookworm" in (said(NAMES[:3], "bookworm") or "")
    assert "has no config.txt" in (said(BOOKWORM[1:], "bookworm") or "")


def test_the_command_for_the_imager() -> None:
    assert cards.imager_command("/home/me/my pis/.cards/a", "bookworm") == (
        "sudo rpi-imager --cli --first-run-script '/home/me/my pis/.cards/a/firstrun.sh' IMAGE DEVICE"
    )
    assert cards.imager_command("/home/me/my pis/.cards/a") == (
        "sudo rpi-imager --cli --cloudinit-userdata '/home/me/my pis/.cards/a/user-data' "
        "--cloudinit-networkconfig '/home/me/my pis/.cards/a/network-config' IMAGE DEVICE"
    )


def test_a_fingerprint_is_the_one_that_ssh_prints() -> None:
    # ssh-keygen -lf
    assert cards.fingerprint(f"{PUBLIC} me@laptop\n") == "SHA256:IM7EBPS7T/IHheN2n845PRc0gOh7Lmjf7DVS5jbcS/8"
    assert [cards.fingerprint(text) for text in ("", "ssh-ed25519", "ssh-ed25519 AAA", "no key")] == [""] * 4
