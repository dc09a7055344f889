"""The join command, as every kubeadm prints it and as people copy it."""

# ruff: noqa: E501 - the lines are as long as kubeadm prints them

from __future__ import annotations

import kubeadm_output as printed
import pytest
from ansible.errors import AnsibleFilterError
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.bramble.kube.plugins.filter.kubeadm_join import FilterModule
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.join_command import (
    JoinCommand,
    JoinCommandError,
    parse_join_command,
    parse_join_commands,
)

WORKER = JoinCommand("192.168.13.7:6443", printed.TOKEN, (printed.PIN,))


@pytest.mark.parametrize("text", [printed.INIT_1_9, printed.CREATE_1_37], ids=["1.9.7 init", "1.37 token create"])
def test_worker_command_of_old_and_new_release(text):
    assert parse_join_command(text) == WORKER


def test_arguments_put_the_address_first_whatever_was_printed():
    assert parse_join_command(printed.INIT_1_9).arguments() == [
        "kubeadm",
        "join",
        "192.168.13.7:6443",
        "--token",
        printed.TOKEN,
        "--discovery-token-ca-cert-hash",
        printed.PIN,
    ]


def test_two_ca_certificates_give_two_hashes():
    assert parse_join_command(printed.JOIN_1_11_TWO_CAS).ca_cert_hashes == (printed.PIN, printed.PIN_2)
    listed = printed.CREATE_1_37.replace(printed.PIN, f"{printed.PIN},{printed.PIN_2}")
    assert parse_join_command(listed).ca_cert_hashes == (printed.PIN, printed.PIN_2)


def test_control_plane_command_is_told_from_the_worker_one():
    worker, control_plane = parse_join_command(printed.INIT_1_37), parse_join_command(printed.INIT_1_37, True)
    assert (worker.control_plane, worker.certificate_key) == (False, "")
    assert (control_plane.control_plane, control_plane.certificate_key) == (True, "e" * 64)
    assert worker.endpoint == control_plane.endpoint == "k8s.example.net:6443"


def test_first_name_of_the_control_plane_flag():
    command = parse_join_command(printed.INIT_1_14_CONTROL_PLANE, control_plane=True)
    assert command.certificate_key == "f" * 64
    assert "--control-plane" in command.arguments()


def test_several_tokens_of_one_cluster_give_the_first():
    text = printed.INIT_1_37 + printed.INIT_1_37.replace(printed.TOKEN, printed.TOKEN_2)
    assert parse_join_command(text).token == printed.TOKEN


@pytest.mark.parametrize(
    "text",
    [
        f"$ sudo kubeadm join 192.168.13.7:6443 --token={printed.TOKEN} --discovery-token-ca-cert-hash={printed.PIN}",
        f"kubeadm join --discovery-token {printed.TOKEN} --discovery-token-ca-cert-hash {printed.PIN} 192.168.13.7:6443",
        f"> kubeadm join 192.168.13.7:6443 --token {printed.TOKEN} \\ \r\n  --discovery-token-ca-cert-hash {printed.PIN}\r\n",
        f"kubeadm join 192.168.13.7:6443\n  --token {printed.TOKEN}\n  --discovery-token-ca-cert-hash {printed.PIN}\nDone.",
        f"kubeadm join https://192.168.13.7:6443/ --token '{printed.TOKEN}' --discovery-token-ca-cert-hash {printed.PIN.upper().replace('SHA', 'sha')}",
        f"kubeadm join 192.168.13.7:6443 --token {printed.TOKEN} --discovery-token-ca-cert-hash {printed.PIN};",
        f"kubeadm join 192.168.13.7:6443 --token {printed.TOKEN} --discovery-token-ca-cert-hash {printed.PIN} ; reboot",
        f"kubeadm join 192.168.13.7:6443 --token {printed.TOKEN} . --discovery-token-ca-cert-hash {printed.PIN} && date",
        f"kubeadm join 192.168.13.7:6443, --token {printed.TOKEN} --discovery-token-ca-cert-hash {printed.PIN}.",
    ],
    ids=[
        "equals signs",
        "other token flag",
        "CRLF and blanks",
        "backslashes lost",
        "quotes, URL, capitals",
        "semicolon",
        "next command",
        "a dot",
        "sentence marks",
    ],
)
def test_copies_from_terminals_and_chats(text):
    assert parse_join_command(text) == WORKER


def test_other_flags_are_kept_with_their_values():
    text = printed.CREATE_1_37.strip() + " --node-name pi-4 --ignore-preflight-errors=Swap --skip-preflight-checks -v 5"
    command = parse_join_command(text)
    assert command.other_arguments == (
        "--node-name",
        "pi-4",
        "--ignore-preflight-errors=Swap",
        "--skip-preflight-checks",
        "-v",
        "5",
    )
    assert parse_join_command(" ".join(command.arguments())) == command


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "there is no 'kubeadm join' command"),
        ("kubeadm init", "there is no 'kubeadm join' command"),
        (f"kubeadm join --token {printed.TOKEN} --discovery-token-ca-cert-hash {printed.PIN}", "names no API server"),
        (printed.CREATE_1_37.strip() + " 10.0.0.1:6443", "names more than one API server"),
        (printed.CREATE_1_37.replace(":6443", ""), "not of the form host:port"),
        (printed.CREATE_1_37.replace(":6443", ":70000"), "not of the form host:port"),
        (printed.CREATE_1_37.replace(f"--token {printed.TOKEN}", ""), "has no token"),
        (printed.CREATE_1_37.replace(printed.TOKEN, printed.TOKEN[:-1]), "part of it was cut off"),
        (printed.CREATE_1_37.replace(printed.TOKEN, "<value withheld>"), "withheld the token"),
        (f"kubeadm join 192.168.13.7:6443 --token {printed.TOKEN}", "has no --discovery-token-ca-cert-hash"),
        (printed.CREATE_1_37.replace(printed.PIN, printed.PIN[:-1]), "64 hexadecimal digits"),
        (
            f"kubeadm join 192.168.13.7:6443 --token {printed.TOKEN} --discovery-token-ca-cert-hash",
            "part of the text is missing",
        ),
        (printed.CREATE_1_37.replace("join", "join '"), "quotation mark"),
        (printed.CREATE_1_37 + printed.CREATE_1_37.replace(".13.7", ".14.7"), "different clusters"),
        (printed.INIT_1_14_CONTROL_PLANE, "no 'kubeadm join' command for a worker"),
    ],
)
def test_each_damage_has_its_sentence_without_the_secret(text, sentence):
    with pytest.raises(JoinCommandError, match=sentence) as caught:
        parse_join_command(text)
    assert printed.TOKEN.partition(".")[2][:-1] not in str(caught.value)


@pytest.mark.parametrize("flag", ["-v5", "-v=5"])
def test_short_flags_may_have_their_value_beside_them(flag):
    assert parse_join_command(f"{printed.CREATE_1_37.strip()} {flag}").other_arguments == (flag,)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("kubeadm join {token} --discovery-token-ca-cert-hash {pin}", "a token where the API server's address belongs"),
        ("kubeadm join {token}x --discovery-token-ca-cert-hash {pin}", "not of the form host:port"),
        ("kubeadm join 10.0.0.1:6443 --discovery-token-ca-cert-hash {pin} --token:{token}", "cannot be read"),
        ("kubeadm join 10.0.0.1:6443 .--token {token} --discovery-token-ca-cert-hash {pin}", "neither a flag nor"),
        ("kubeadm join 10.0.0.1:6443 --token {pin} --discovery-token-ca-cert-hash {token}", "not of the form"),
        ("kubeadm join {token}:6443 --token {pin} --discovery-token-ca-cert-hash {token}", "not of the form"),
        ("kubeadm join 10.0.0.1:6443 {secret} --token {token} --discovery-token-ca-cert-hash {pin}", "neither a flag"),
    ],
)
def test_a_token_in_the_wrong_place_is_not_repeated(text, sentence):
    token = "abcdef.0123456789abcdef"
    with pytest.raises(JoinCommandError, match=sentence) as caught:
        parse_join_command(text.format(token=token, pin=printed.PIN, secret=token[7:]))
    assert token[7:15] not in str(caught.value)


def test_repr_hides_the_token():
    assert printed.TOKEN not in repr(WORKER)


pins = st.lists(st.from_regex(r"sha256:[0-9a-f]{64}", fullmatch=True), min_size=1, max_size=3, unique=True)
commands = st.builds(
    JoinCommand,
    endpoint=st.one_of(
        st.builds("{}:{}".format, st.ip_addresses(v=4), st.integers(1, 65535)),
        st.builds("[{}]:{}".format, st.ip_addresses(v=6), st.integers(1, 65535)),
        st.builds(
            "{}:{}".format,
            st.from_regex(r"[a-z0-9]{1,9}(\.[a-z0-9-]{0,5}[a-z0-9]){0,3}", fullmatch=True),
            st.just(6443),
        ),
    ),
    token=st.from_regex(r"[a-z0-9]{6}\.[a-z0-9]{16}", fullmatch=True),
    ca_cert_hashes=pins.map(tuple),
    control_plane=st.booleans(),
    certificate_key=st.sampled_from(["", "a" * 64]),
)


@given(commands)
def test_what_it_writes_it_reads_again(command):
    assert parse_join_commands(" ".join(command.arguments())) == [command]


@given(commands, st.integers(min_value=0, max_value=5))
def test_line_breaks_between_arguments_do_not_matter(command, step):
    words = command.arguments()
    text = (
        " ".join(words[:2])
        + " "
        + " \\\n\t".join(" ".join(words[i : i + step + 1]) for i in range(2, len(words), step + 1))
    )
    assert parse_join_commands(text) == [command]


@given(st.text())
def test_any_text_gives_commands_or_one_sentence(text):
    for body in (text, "kubeadm join " + text):
        try:
            parse_join_commands(body)
        except JoinCommandError as error:
            assert str(error)


def test_filter_returns_plain_data_and_plain_errors():
    kubeadm_join = FilterModule().filters()["kubeadm_join"]
    result = kubeadm_join(printed.INIT_1_37)
    assert result["ca_cert_hash"] == printed.PIN and result["join_command"][:3] == [
        "kubeadm",
        "join",
        "k8s.example.net:6443",
    ]
    assert kubeadm_join(printed.INIT_1_37, control_plane=True)["certificate_key"] == "e" * 64
    with pytest.raises(AnsibleFilterError, match="there is no 'kubeadm join' command"):
        kubeadm_join("nothing")
    with pytest.raises(AnsibleFilterError, match="use text"):
        kubeadm_join(["kubeadm", "join"])


@pytest.mark.parametrize("dash", ["\u2013", "\u2014", "\u2212"])
def test_long_dashes_are_named(dash: str) -> None:
    with pytest.raises(JoinCommandError, match=f"after '{dash}'.*write --"):
        parse_join_command(printed.CREATE_1_37.replace("--", dash))


@pytest.mark.parametrize("token", [printed.TOKEN.upper(), "\u200b" + printed.TOKEN, printed.TOKEN + "x"])
def test_a_whole_token_with_other_characters_was_not_cut_off(token: str) -> None:
    with pytest.raises(JoinCommandError, match="other characters, or too many") as caught:
        parse_join_command(printed.CREATE_1_37.replace(printed.TOKEN, token))
    assert token[-10:] not in str(caught.value)


def test_backquotes_around_a_command_are_no_part_of_it() -> None:
    command = printed.CREATE_1_37.strip()
    assert parse_join_command(f"`{command}`") == parse_join_command(command)
