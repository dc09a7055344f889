# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""From the options of kubernetes.core (and its environment variables) to what an HTTP connection needs.

Kubeconfigs are read, and several of them merged, here and as kubectl does (client-go, tools/clientcmd): importing the
`kubernetes` client costs more than a whole push of an unchanged set, and of several files it takes the last one's
current-context. Only credentials that need its own logic (exec plugins, OIDC and other auth-providers, a Pod's service
account) are left to it; whom the kubeconfig asks to be impersonated is sent in every case.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import os
from dataclasses import dataclass, field
from typing import Any, Callable
from urllib.parse import quote, urlsplit

from .errors import ClusterError, Unreachable
from .options import AUTH_OPTIONS

try:
    import yaml

    try:
        from yaml import CSafeLoader as Loader
    except ImportError:
        from yaml import SafeLoader as Loader  # type: ignore[assignment]
except ImportError:
    pass

DEFAULT_KUBECONFIG = "~/.kube/config"
POD_NAMESPACE = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"


@dataclass
class Endpoint:
    """Everything that a connection to one API server needs.

    :ivar server: base address, such as ``https://192.168.13.7:6443``.
    :ivar ca_file, ca_data: the certificate authority as a path or as PEM text; neither: the system's.
    :ivar cert_file, cert_data, key_file, key_data: the client certificate, as paths or as PEM text.
    :ivar authorization: value of the Authorization header, or empty.
    :ivar refresh: gives a new value of that header once the old one has expired, or None.
    :ivar namespace: the context's namespace, or empty.
    """

    server: str
    verify: bool = True
    tls_server_name: str = ""
    ca_file: str = ""
    ca_data: str = ""
    cert_file: str = ""
    cert_data: str = ""
    key_file: str = ""
    key_data: str = ""
    authorization: str = ""
    refresh: Callable[[], str] | None = None
    namespace: str = ""
    proxy: str = ""
    no_proxy: str = ""
    proxy_headers: dict[str, str] = field(default_factory=dict)
    headers: list[tuple[str, str]] = field(default_factory=list)


def effective_options(params: dict[str, Any]) -> dict[str, Any]:
    """The options as given, completed from the environment variables K8S_AUTH_*, as kubernetes.core does."""
    options: dict[str, Any] = {}
    for name in AUTH_OPTIONS:
        value = params.get(name)
        if value is None and name == "proxy_headers":
            value = {
                key: os.environ["K8S_AUTH_PROXY_HEADERS_" + key.upper()]
                for key in ("proxy_basic_auth", "basic_auth", "user_agent")
                if os.environ.get("K8S_AUTH_PROXY_HEADERS_" + key.upper())
            } or None
        elif value is None:
            value = os.environ.get("K8S_AUTH_" + name.upper())
            for alias in AUTH_OPTIONS[name].get("aliases", []) if value is None else []:
                value = os.environ.get("K8S_AUTH_" + alias.upper())
            if value is not None and name == "validate_certs":
                value = value.lower() not in ("0", "false", "no")
            if value is not None and name == "impersonate_groups":
                value = [group for group in value.split(",") if group]
        if value is not None:
            options[name] = value
    return options


def endpoint(params: dict[str, Any]) -> Endpoint:
    """Find the API server and the credentials.

    :param params: the module's parameters; those of `AUTH_OPTIONS` are read.
    :raises Unreachable: when no cluster is configured at all.
    :raises ClusterError: when the configuration is wrong, with the file and what would be right.
    """
    options = effective_options(params)
    has_credentials = (
        options.get("api_key")
        or (options.get("username") and options.get("password"))
        or (options.get("client_cert") and options.get("client_key"))
    )
    if options.get("host") and has_credentials:
        result = Endpoint(server="")
    else:
        result = _from_kubeconfig(options)
    _override(result, options)
    if not result.server:
        raise ClusterError("The kubeconfig names no server; set host, or a context that has a cluster.")
    result.server = result.server.rstrip("/")
    if not result.proxy:
        result.proxy, no_proxy = _proxy_of_environment(result.server)
        result.no_proxy = result.no_proxy or no_proxy
    return result


def _proxy_of_environment(server: str) -> tuple[str, str]:
    """HTTPS_PROXY (or HTTP_PROXY) and NO_PROXY as kubectl takes them (Go, net/http): this machine itself needs none."""
    address = urlsplit(server)
    host = address.hostname or ""
    if host in ("localhost", "::1") or host.startswith("127."):
        return "", ""
    found = []
    for name in (f"{address.scheme}_proxy", "no_proxy"):
        found.append(os.environ.get(name.upper()) or os.environ.get(name) or "")
    return found[0], found[1]


def _override(result: Endpoint, options: dict[str, Any]) -> None:
    """Options win over the kubeconfig."""
    result.server = options.get("host") or result.server
    if "validate_certs" in options:
        result.verify = bool(options["validate_certs"])
    if options.get("ca_cert"):
        result.ca_file, result.ca_data = os.path.expanduser(options["ca_cert"]), ""
    if options.get("client_cert"):
        result.cert_file, result.cert_data = os.path.expanduser(options["client_cert"]), ""
    if options.get("client_key"):
        result.key_file, result.key_data = os.path.expanduser(options["client_key"]), ""
    if options.get("api_key"):
        result.authorization, result.refresh = "Bearer " + options["api_key"], None
    elif options.get("username") and options.get("password"):
        result.authorization, result.refresh = _basic(options["username"], options["password"]), None
    result.proxy = options.get("proxy") or result.proxy
    result.no_proxy = options.get("no_proxy") or result.no_proxy
    headers = options.get("proxy_headers") or {}
    if headers.get("proxy_basic_auth"):
        result.proxy_headers["Proxy-Authorization"] = _basic(*headers["proxy_basic_auth"].split(":", 1))
    if headers.get("basic_auth"):
        result.proxy_headers["Authorization"] = _basic(*headers["basic_auth"].split(":", 1))
    if headers.get("user_agent"):
        result.proxy_headers["User-Agent"] = headers["user_agent"]
    if options.get("impersonate_user"):
        result.headers = [pair for pair in result.headers if not pair[0].startswith("Impersonate-")]
        result.headers.append(("Impersonate-User", options["impersonate_user"]))
    for group in options.get("impersonate_groups") or []:
        result.headers.append(("Impersonate-Group", group))


def _basic(user: str, password: str = "") -> str:
    return "Basic " + base64.b64encode((f"{user}:{password}").encode()).decode("ascii")


def _from_kubeconfig(options: dict[str, Any]) -> Endpoint:
    given = options.get("kubeconfig")
    if isinstance(given, dict):
        return _from_config(given, options, "given as a dictionary", given)
    paths = given or os.environ.get("KUBECONFIG") or DEFAULT_KUBECONFIG
    names = [os.path.expanduser(name) for name in dict.fromkeys(paths.split(os.pathsep)) if name]
    # Of several files, those that do not exist are passed over, as kubectl does.
    found = [(name, config) for name, config in ((name, _read(name)) for name in names) if config is not None]
    if len(found) == 1 and not found[0][1]:
        raise ClusterError(f"The kubeconfig {found[0][0]} is empty.")
    if not found:
        if options.get("host"):
            return Endpoint(server="")
        if not given and not options.get("context") and os.environ.get("KUBERNETES_SERVICE_HOST"):
            return _by_kubernetes_client(options, None)
        raise Unreachable(
            f"There is no kubeconfig at {os.pathsep.join(names) or paths}; set kubeconfig, or host with credentials."
        )
    where = os.pathsep.join(name for name, _config in found)
    return _from_config(_merged(found), options, where, where)


def _read(path: str) -> dict | None:
    """The content of one kubeconfig; None when there is no such file."""
    try:
        with open(path, encoding="utf-8") as stream:
            config = next(yaml.load_all(stream, Loader=Loader), None)
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ClusterError(
            "The kubeconfig {} cannot be read: {}.".format(path, getattr(error, "strerror", error))
        ) from None
    except yaml.YAMLError:
        raise ClusterError(f"The kubeconfig {path} is not valid YAML.") from None
    if config is None:
        return {}
    if not isinstance(config, dict):
        raise ClusterError(f"The kubeconfig {path} is not a mapping.")
    if config.get("kind", "Config") != "Config" or config.get("apiVersion", "v1") != "v1":
        raise ClusterError(f"The file {path} is not a kubeconfig (kind: Config, apiVersion: v1).")
    return config


# Values of clusters and users that are paths, relative to the file in which they stand.
_PATHS = ("certificate-authority", "client-certificate", "client-key", "tokenFile")
_SECTIONS = {"clusters": "cluster", "users": "user", "contexts": "context"}


def _merged(files: list[tuple[str, dict]]) -> dict:
    """One kubeconfig of several: of every entry, and of current-context, the first file that has it counts."""
    result: dict[str, Any] = {"clusters": [], "users": [], "contexts": []}
    for path, config in files:
        folder = os.path.dirname(os.path.abspath(path))
        if config.get("current-context"):
            result.setdefault("current-context", config["current-context"])
        for section, entry in _SECTIONS.items():
            listed = _entries(config, section, path)
            _refuse_twice([candidate.get("name") for candidate in listed], section, path)
            for candidate in listed:
                values = candidate.get(entry)
                if isinstance(values, dict):
                    located = {key: os.path.join(folder, str(values[key])) for key in _PATHS if values.get(key)}
                    candidate = {**candidate, entry: {**values, **located}}
                result[section].append(candidate)
    return result


def _entries(config: dict, section: str, path: str) -> list[dict]:
    entries = config.get(section) or []
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ClusterError(f"The kubeconfig {path} has {section} that is not a list of entries with a name.")
    return entries


def _refuse_twice(names: list[Any], section: str, path: str) -> None:
    """Of two entries of one name in one file, nobody can tell which is meant; kubectl refuses them, too."""
    for name in names:
        if names.count(name) > 1:
            raise ClusterError(
                f"The kubeconfig {path} has the entry {name!r} in {section} for the second time; keep one."
            )


def _named(config: dict, section: str, name: Any, path: str) -> dict:
    entry = _SECTIONS[section]
    for candidate in _entries(config, section, path):
        if candidate.get("name") == name:
            values = candidate.get(entry) or {}
            if not isinstance(values, dict):
                raise ClusterError(f"The kubeconfig {path} has a {entry} {name!r} that is not a mapping.")
            return values
    raise ClusterError(f"The kubeconfig {path} has no entry {name!r} in {section}.")


def _text(values: dict, key: str, path: str, secret: bool = False) -> str:
    """A value that must be text; empty when it is not there."""
    value = values.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        shown = "" if secret else f" {value!r}"
        raise ClusterError(f"The kubeconfig {path} has the {key}{shown}, which is not text; put it in quotes.")
    return value


def _flag(values: dict, key: str, path: str) -> bool:
    """A value that must be true or false: a text in its place must not switch verification off."""
    value = values.get(key)
    if value is not None and not isinstance(value, bool):
        raise ClusterError(f"The kubeconfig {path} has the {key} {value!r}; write true or false, without quotes.")
    return bool(value)


def _from_config(config: dict, options: dict[str, Any], path: str, source: Any) -> Endpoint:
    """Read a kubeconfig (several are merged before).

    :param path: how a message names it.
    :param source: what the kubernetes client gets, where its own logic is needed.
    """
    name = options.get("context") or config.get("current-context")
    if not name:
        raise ClusterError(f"The kubeconfig {path} has no current-context; set context.")
    chosen = _named(config, "contexts", name, path)
    cluster = _named(config, "clusters", chosen.get("cluster") or "", path)
    user = _named(config, "users", chosen["user"], path) if chosen.get("user") else {}
    headers = _impersonation(user, chosen.get("user"), path)
    verify = not _flag(cluster, "insecure-skip-tls-verify", path)
    _refuse_both(cluster, user, path)
    if user.get("exec") or user.get("auth-provider"):
        result = _by_kubernetes_client({**options, "context": name}, source)
        if user.get("exec") and not result.authorization and not result.cert_file:
            # The kubernetes client goes on as nobody then.
            command = user["exec"].get("command") if isinstance(user["exec"], dict) else ""
            raise ClusterError(f"The exec plugin {command or ''} gave no credentials; run it yourself to see why.")
        result.headers.extend(headers)
        result.verify = verify
        result.proxy, result.namespace = _text(cluster, "proxy-url", path), _text(chosen, "namespace", path)
        return result
    result = Endpoint(server=_text(cluster, "server", path), namespace=_text(chosen, "namespace", path))
    result.headers.extend(headers)
    result.verify = verify
    result.tls_server_name = _text(cluster, "tls-server-name", path)
    result.proxy = _text(cluster, "proxy-url", path)
    result.ca_data = _decoded(cluster, "certificate-authority-data", path)
    result.ca_file = "" if result.ca_data else _text(cluster, "certificate-authority", path)
    result.cert_data = _decoded(user, "client-certificate-data", path)
    result.cert_file = "" if result.cert_data else _text(user, "client-certificate", path)
    result.key_data = _decoded(user, "client-key-data", path)
    result.key_file = "" if result.key_data else _text(user, "client-key", path)
    token, token_file = _text(user, "token", path, secret=True), _text(user, "tokenFile", path)
    if token_file and (not token or os.path.exists(token_file)):
        result.authorization = _bearer_of(token_file)
        result.refresh = lambda: _bearer_of(token_file)
    elif token:
        result.authorization = "Bearer " + token
    elif user.get("username"):
        result.authorization = _basic(_text(user, "username", path), _text(user, "password", path, secret=True))
    return result


def _refuse_both(cluster: dict, user: dict, path: str) -> None:
    """Settings of which only one can be meant (client-go, tools/clientcmd/validation.go)."""
    data = [(cluster, "certificate-authority"), (user, "client-certificate"), (user, "client-key")]
    pairs = [(values, name, f"{name}-data") for values, name in data]
    pairs += [(user, token, name) for token in ("token", "tokenFile") for name in ("username", "password")]
    authorities = ("certificate-authority", "certificate-authority-data")
    pairs += [(cluster, "insecure-skip-tls-verify", name) for name in authorities]
    for values, one, other in pairs:
        if values.get(one) and values.get(other):
            raise ClusterError(f"The kubeconfig {path} has both {one} and {other}; keep one.")
    if any(user.get(name) for name in ("client-certificate", "client-certificate-data")) and not any(
        user.get(name) for name in ("client-key", "client-key-data")
    ):
        raise ClusterError(f"The kubeconfig {path} has a client-certificate without its client-key.")


def _impersonation(user: dict, name: Any, path: str) -> list[tuple[str, str]]:
    """The headers by which a user of the kubeconfig acts as another (client-go, transport/round_trippers.go).

    :raises ClusterError: when it asks for groups, a uid or more of nobody, which kubectl refuses too.
    """
    groups, extra = user.get("as-groups") or [], user.get("as-user-extra") or {}
    if not isinstance(groups, list) or not all(isinstance(group, str) for group in groups):
        raise ClusterError(f"The kubeconfig {path} has as-groups in user {name!r} that is not a list of texts.")
    if not isinstance(extra, dict) or not all(isinstance(values, list) for values in extra.values()):
        raise ClusterError(f"The kubeconfig {path} has as-user-extra in user {name!r} that is not lists by key.")
    wanted, uid = _text(user, "as", path), _text(user, "as-uid", path)
    if not wanted:
        if groups or extra or uid:
            raise ClusterError(f"The kubeconfig {path} asks user {name!r} to act as a group or uid, but names no `as`.")
        return []
    headers = [("Impersonate-User", wanted)]
    headers += [("Impersonate-Group", group) for group in groups]
    headers += [("Impersonate-Uid", uid)] if uid else []
    for key, values in extra.items():
        # In a header's name only these characters may stand as they are.
        escaped = quote(str(key).lower(), safe="!#$&'*+-.^_`|~")
        headers += [(f"Impersonate-Extra-{escaped}", str(value)) for value in values]
    return headers


def _bearer_of(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as stream:
            return "Bearer " + stream.read().strip()
    except OSError as error:
        raise ClusterError(f"The token file {path} cannot be read: {error.strerror}.") from None


def _decoded(section: dict, key: str, path: str) -> str:
    value = section.get(key)
    if not value:
        return ""
    try:
        return base64.b64decode("".join(str(value).split()), validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        raise ClusterError(f"The kubeconfig {path} has a {key} that is not base64 text.") from None


def _by_kubernetes_client(options: dict[str, Any], source: Any) -> Endpoint:
    """Let the kubernetes client find the credentials: exec plugins, auth-providers, in-cluster.

    :param source: path(s), a dictionary, or None for the Pod's own service account.
    """
    try:
        from kubernetes import client as kubernetes_client
        from kubernetes import config as kubernetes_config
    except ImportError:
        raise ClusterError(
            "This kubeconfig needs the Python library kubernetes (exec plugin, auth-provider or a Pod's own account): "
            "pip install kubernetes."
        ) from None
    configuration = kubernetes_client.Configuration()
    arguments: dict[str, Any] = {"context": options.get("context"), "client_configuration": configuration}
    if options.get("persist_config") is not None:
        arguments["persist_config"] = options["persist_config"]
    namespace = ""
    try:
        if source is None:
            kubernetes_config.load_incluster_config(client_configuration=configuration)
            # Without the file, as with a token that was mounted by hand, there is no namespace to start from.
            with contextlib.suppress(FileNotFoundError), open(POD_NAMESPACE, encoding="utf-8") as stream:
                namespace = stream.read().strip()
            namespace = os.environ.get("POD_NAMESPACE") or namespace
        elif isinstance(source, dict):
            arguments.pop("persist_config", None)
            kubernetes_config.load_kube_config_from_dict(source, **arguments)
        else:
            kubernetes_config.load_kube_config(config_file=source, **arguments)
    except Exception as error:
        # Refreshing a token goes over the network, and its libraries raise errors of their own.
        raise ClusterError(f"The credentials cannot be loaded: {error}") from None

    def authorization() -> str:
        return (
            configuration.get_api_key_with_prefix("authorization")
            or configuration.get_api_key_with_prefix("BearerToken", alias="authorization")
            or ""
        )

    return Endpoint(
        server=configuration.host,
        verify=configuration.verify_ssl,
        tls_server_name=getattr(configuration, "tls_server_name", None) or "",
        ca_file=configuration.ssl_ca_cert or "",
        cert_file=configuration.cert_file or "",
        key_file=configuration.key_file or "",
        authorization=authorization(),
        refresh=authorization,
        namespace=namespace,
    )
