#!/usr/bin/env bash
# cloud-init calls a network-config with Wi-Fi invalid that its own netplan renderer passes on as it is.
#
# With: cloud-init 25.1.4-1+deb13u1 of Debian 13 (trixie), unpacked; the PyPI packages that it imports.
#
# Guess: `cloud-init schema` accepts what cloud-init can use; `wifis` is part of network configuration version 2 as
# netplan defines it, and Raspberry Pi's Imager writes it onto every card with Wi-Fi.
#
# Behaviour: on a computer without netplan, such as the one on which cards are written, the file is judged by cloud-init's
# JSON schema, which lists ethernets, bonds, bridges and vlans: `wifis` is "unexpected", and a card that works is called
# invalid. On a system with netplan that schema is not asked at all. So the verdict on one and the same file depends on
# where it is asked for. The netplan renderer asks nobody and passes the file on.
#
# Seen:
#   without Wi-Fi: Valid schema
#   with Wi-Fi: Additional properties are not allowed ('wifis' was unexpected)
#   rendered for netplan: {'access-points': {'home': {'password': 'a pass phrase'}}, 'dhcp4': True}
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
mkdir -p lists/partial cache/archives/partial
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian trixie main" >sources.list
apt=(apt-get -qq -o Dir::State::Lists="$work/lists" -o Dir::Cache="$work/cache" -o Dir::Etc::SourceList="$work/sources.list"
    -o Dir::Etc::SourceParts=/dev/null -o APT::Sandbox::User=)
"${apt[@]}" update
"${apt[@]}" download cloud-init=25.1.4-1+deb13u1 python3-configobj
for package in *.deb; do dpkg-deb -x "$package" unpacked; done
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check jinja2==3.1.6 jsonpatch==1.33 jsonschema==4.25.1 oauthlib==3.3.1 PyYAML==6.0.3 requests==2.32.5
cat >show.py <<'PY'
import logging
import sys

logging.disable(logging.CRITICAL)
import yaml
from cloudinit.config.schema import SchemaType, SchemaValidationError, validate_cloudconfig_schema
from cloudinit.net import network_state
from cloudinit.net.netplan import Renderer

WIRED = {"version": 2, "ethernets": {"eth0": {"dhcp4": True}}}
RADIO = {**WIRED, "wifis": {"wlan0": {"dhcp4": True, "access-points": {"home": {"password": "a pass phrase"}}}}}
for name, config in (("without Wi-Fi", WIRED), ("with Wi-Fi", RADIO)):
    try:
        validate_cloudconfig_schema({"network": config}, schema_type=SchemaType.NETWORK_CONFIG_V2, strict=True)
        print(f"{name}: Valid schema")
    except SchemaValidationError as error:
        print(f"{name}: {error.schema_errors[0].message}")
state = network_state.parse_net_config_data(RADIO, renderer=Renderer({}))
told = yaml.safe_load(Renderer({})._render_content(state))
print("rendered for netplan:", told.get("network", told)["wifis"]["wlan0"])
PY
seen=$(PYTHONPATH=$work/unpacked/usr/lib/python3/dist-packages venv/bin/python show.py)
printf '%s\n' "$seen"
diff - <(printf '%s\n' "$seen") <<'EXPECTED' || { echo "The behaviour has changed." >&2; exit 1; }
without Wi-Fi: Valid schema
with Wi-Fi: Additional properties are not allowed ('wifis' was unexpected)
rendered for netplan: {'access-points': {'home': {'password': 'a pass phrase'}}, 'dhcp4': True}
EXPECTED
