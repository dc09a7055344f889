# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""What a card of Raspberry Pi OS bookworm needs at its first boot, which runs a script. Pure functions on plain data.

The kernel's parameters make systemd run it and nothing else, and then restart (systemd-run-generator(8)). bookworm also
reads custom.toml, which knows neither host keys nor addresses, and whose reader waits for somebody at the Pi's keyboard
when it fails (raspberrypi-sys-mods, firstboot).
"""

from __future__ import annotations

import re
import shlex

from ansible_collections.bramble.kube.plugins.module_utils.pi import cmdline, wifi
from ansible_collections.bramble.kube.plugins.module_utils.pi.cards import WITHHELD, Card, fixed_interface
from ansible_collections.bramble.kube.plugins.module_utils.pi.steps.settings import with_generated

_PARAMETERS = (
    "systemd.run=/boot/firmware/firstrun.sh",
    "systemd.run_success_action=reboot",
    "systemd.unit=kernel-command-line.target",
)
_MARK = "# Written by bramble.kube. It holds secrets, sets this Pi up at its first boot, and removes itself.\n"
_CONNECTIONS = "/etc/NetworkManager/system-connections"

# The Imager calls the script by its place before bookworm. bookworm's initramfs corrects that, and cuts the script off
# at the first line with "rm" and the script's name at its end (raspberrypi-sys-mods, imager_fixup): no line may be one.
_BODY = r"""
umask 077
boot=${0%/*}
failed=
exec >>/var/log/bramble-kube-card.log 2>&1

# Writes what comes in to a file, whole or not at all: after a power cut, the next boot runs all this again.
put() {
    cat >"$2.bramble-new" && chmod "$1" "$2.bramble-new" && sync "$2.bramble-new" && mv "$2.bramble-new" "$2"
}

# In a shell of its own, which stops at the first command that fails; the others are done all the same.
step() {
    (
        set -e
        "$1"
    )
    code=$?
    [ "$code" = 0 ] || failed="$failed $1"
}

set_hostname() {
    printf '%s\n' "$hostname" | put 0644 /etc/hostname
    { grep -v '^127\.0\.1\.1' /etc/hosts || true; printf '127.0.1.1\t%s\n' "$hostname"; } | put 0644 /etc/hosts
}

# The image's only user gets the name, with what belongs to it: in an order in which it can be cut short anywhere.
set_user() {
    pwconv
    grpconv
    old=$(getent passwd 1000 | cut -d: -f1)
    home=$(getent passwd 1000 | cut -d: -f6)
    group=$(getent group 1000 | cut -d: -f1)
    if [ "$home" != "/home/$user" ]; then
        [ -d "/home/$user" ] || mv "$home" "/home/$user"
        usermod --home "/home/$user" "$old"
    fi
    for file in /etc/subuid /etc/subgid; do
        [ ! -e "$file" ] || sed -i "s/^$old:/$user:/" "$file"
    done
    [ "$group" = "$user" ] || groupmod --new-name "$user" "$group"
    [ "$old" = "$user" ] || usermod --login "$user" "$old"
    for group in adm dialout cdrom audio users sudo video games plugdev input gpio spi i2c netdev render; do
        ! getent group "$group" >/dev/null || usermod --append --groups "$group" "$user"
    done
    usermod --shell /bin/bash --password "${password:-*}" "$user"
    if [ -n "$password" ]; then
        rm -f /etc/sudoers.d/010_pi-nopasswd
    else
        echo "$user ALL=(ALL) NOPASSWD: ALL" | put 0440 /etc/sudoers.d/010_pi-nopasswd
    fi
}

# The image would ask for a user on the screen.
end_questions() {
    [ ! -x /usr/lib/userconf-pi/userconf ] || /usr/lib/userconf-pi/userconf "$user" ""
}

set_ssh() {
    install -d -m 0700 -o "$user" -g "$user" "/home/$user/.ssh"
    printf '%s\n' "$keys" | put 0600 "/home/$user/.ssh/authorized_keys"
    chown "$user:$user" "/home/$user/.ssh/authorized_keys"
    rm -f /etc/systemd/system/multi-user.target.wants/regenerate_ssh_host_keys.service /etc/ssh/ssh_host_*_key*
    printf '%s\n' "$host_key" | put 0600 /etc/ssh/ssh_host_ed25519_key
    printf '%s\n' "$host_key_public" | put 0644 /etc/ssh/ssh_host_ed25519_key.pub
    echo 'PasswordAuthentication no' | put 0644 /etc/ssh/sshd_config.d/10-bramble-kube-card.conf
    systemctl --quiet enable ssh
}

set_timezone() {
    [ -n "$timezone" ] || return 0
    [ -f "/usr/share/zoneinfo/$timezone" ]
    ln -sf "/usr/share/zoneinfo/$timezone" /etc/localtime.bramble-new
    mv -T /etc/localtime.bramble-new /etc/localtime
    echo "$timezone" | put 0644 /etc/timezone
}

set_locale() {
    [ -n "$locale" ] || return 0
    if ! locale -a | grep -qix "$(echo "$locale" | sed 's/-//g')"; then
        { grep -vxF "$locale_line" /etc/locale.gen || true; echo "$locale_line"; } | put 0644 /etc/locale.gen
        locale-gen
    fi
    { grep -v '^LANG=' /etc/default/locale || true; echo "LANG=$locale"; } | put 0644 /etc/default/locale
}

# NetworkManager's connections are files that it takes from nobody else but root. The image keeps the radio off.
set_network() {
    connections
    [ -n "$country" ] || return 0
    mkdir -p /var/lib/NetworkManager
    printf '[main]\nWirelessEnabled=true\n' | put 0600 /var/lib/NetworkManager/NetworkManager.state
    for switch in /var/lib/systemd/rfkill/*:wlan; do
        [ ! -e "$switch" ] || echo 0 >"$switch"
    done
}

# Should the power be cut after the last line and before the script is gone, the next boot removes it.
forget_card() {
    units=/etc/systemd/system
    put 0644 "$units/bramble-kube-card.service" <<UNIT
[Unit]
Description=Remove what the first boot has left on the card

[Service]
Type=oneshot
ExecStart=/bin/rm -f $0 $units/multi-user.target.wants/bramble-kube-card.service $units/bramble-kube-card.service
UNIT
    ln -sf ../bramble-kube-card.service "$units/multi-user.target.wants/bramble-kube-card.service"
}

step set_user
step end_questions
step set_ssh
step set_hostname
step set_network
step set_timezone
step set_locale
step forget_card
if [ -n "$failed" ]; then
    echo "The first boot could not do all:$failed. What was said is in /var/log/bramble-kube-card.log on the Pi." \
        >"$boot/firstrun-failed.txt"
else
    rm -f "$boot/firstrun-failed.txt"
fi
sync

# In place, and in one sector: on FAT, a power cut can break a rename.
size=$(stat -c %s "$boot/cmdline.txt")
line=$(head -n 1 "$boot/cmdline.txt" | sed -E 's/ systemd\.(run[^ ]*|unit=kernel-command-line\.target)//g')
if [ -n "$country" ]; then
    line="$(printf '%s' "$line" | sed -E 's/ cfg80211\.ieee80211_regdom=[^ ]*//g') cfg80211.ieee80211_regdom=$country"
fi
case $line in
*root=*) printf "%-$((size - 1))s\n" "$line" | dd of="$boot/cmdline.txt" conv=notrunc,fsync status=none && rm -f "$0" ;;
*) exit 1 ;;
esac
"""


def script(card: Card) -> str:
    """firstrun.sh for a card, for any shell. The Wi-Fi's password is in it as a key alone, the user's as a hash."""
    private, public = card.host_key
    values = {
        "hostname": card.hostname,
        "user": card.user,
        "password": card.password_hash,
        "keys": "\n".join(card.public_keys),
        "host_key": private.rstrip("\n"),
        "host_key_public": public,
        "timezone": card.timezone,
        "locale": card.locale,
        "locale_line": with_generated("", card.locale).rstrip("\n") if card.locale else "",
        "country": card.wifi_country,
    }
    lines = [f"{name}={shlex.quote(value)}\n" for name, value in values.items()]
    lines.append("connections() {\n    :\n")
    for file in connections(card):
        lines.append(f"    printf '%s' {shlex.quote(file.text)} | put {file.mode:04o} {shlex.quote(file.path)}\n")
    return "#!/bin/sh\n" + _MARK + "".join(lines) + "}\n" + _BODY


def connections(card: Card) -> list[wifi.File]:
    """NetworkManager's connections. With DHCP, the Wi-Fi's is the one that role base has, too."""
    interface = fixed_interface(card) if card.address else ""
    found = []
    key = wifi.psk(card.wifi_ssid, card.wifi_password) if card.wifi_ssid else ""
    if key and not interface.startswith("wl"):
        files = wifi.files("NetworkManager", card.wifi_country, card.wifi_ssid, key, power_save=False)
        found += [file for file in files if file.secret]
    if not interface:
        return found
    name = f"bramble-kube-card-{interface}"
    # Before the one of role base, which has DHCP.
    text = f"{wifi.HEADER}[connection]\nid={name}\ninterface-name={interface}\nautoconnect-priority=20\n"
    if interface.startswith("wl"):
        octets = "".join(f"{byte};" for byte in card.wifi_ssid.encode())
        text += f"type=wifi\n\n[wifi]\nmode=infrastructure\nssid={octets}\n\n"
        text += f"[wifi-security]\nkey-mgmt=wpa-psk\npsk={key}\n\n"
    else:
        text += "type=ethernet\n\n"
    text += f"[ipv4]\nmethod=manual\naddress1={card.address},{card.gateway}\n{_servers(card, v6=False)}\n"
    text += f"[ipv6]\nmethod=auto\n{_servers(card, v6=True)}"
    return [*found, wifi.File(f"{_CONNECTIONS}/{name}.nmconnection", text, 0o600, True)]


def _servers(card: Card, v6: bool) -> str:
    own = [f"{server};" for server in card.nameservers if (":" in server) is v6]
    return f"dns={''.join(own)}\n" if own else ""


def with_script(content: bytes) -> bytes:
    """The content of cmdline.txt with what makes the next boot run the script, in place of another one."""
    tokens = cmdline.parse(content).tokens
    others = [token for token in tokens if not token.startswith(("systemd.run", "systemd.unit="))]
    return cmdline.render(cmdline.apply(others, _PARAMETERS, ()).tokens)


def shown(text: str) -> str:
    """A file for the diff, without secrets; empty for somebody else's script."""
    if text.startswith("#!") and _MARK not in text:
        return ""
    text = re.sub(r"(?s)(?<=-----BEGIN OPENSSH PRIVATE KEY-----\n).*?(?=\n-----END)", WITHHELD, text)
    text = re.sub(r"(?m)^(password=)(?!''$).+", rf"\1{WITHHELD}", text)
    return re.sub(r"(?m)^(psk=).+", rf"\1{WITHHELD}", text)
